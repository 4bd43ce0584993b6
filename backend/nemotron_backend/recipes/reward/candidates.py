"""Which answers to one question are learned together?"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from nemotron_backend.recipes.reward.flaws import Flaw, spoil
from nemotron_backend.recipes.reward.rubric import Frame, Points, framed, points_of
from nemotron_backend.recipes.tasks import Example

# Flaws that are hard to see come more often.
_FLAWS: dict[Flaw, int] = {"slip": 5, "other": 3, "cut": 2, "shuffled": 1, "foreign": 1, "refusal": 1}
_FRAMES: dict[Frame, int] = {"bare": 12, "polite": 2, "repeated": 1, "worked": 1}
_FRAMED_SHARE = 1 / 3
_NUM_SPOILT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An answer, how it was made, and its points."""

    text: str
    flaw: Flaw
    frame: Frame

    @property
    def points(self) -> Points:
        """What it is worth."""
        return points_of(self.flaw, self.frame)


def candidates(rng: Random, example: Example) -> Iterator[Candidate]:
    """The right answer by itself, now and then in another manner too, and spoilt ones, now and then fewer."""
    yield Candidate(text=example.answer, flaw="none", frame="bare")
    if rng.random() < _FRAMED_SHARE:
        other: Frame = _drawn(rng, {frame: share for frame, share in _FRAMES.items() if frame != "bare"})
        yield Candidate(text=framed(rng, example, example.answer, other), flaw="none", frame=other)
    for _ in range(_NUM_SPOILT):
        flaw = _drawn(rng, _FLAWS)
        text = spoil(rng, example, flaw)
        if text is not None:
            # One that says nothing has no other manner.
            frame: Frame = "bare" if flaw == "refusal" else _drawn(rng, _FRAMES)
            yield Candidate(text=framed(rng, example, text, frame), flaw=flaw, frame=frame)


_Kind = TypeVar("_Kind")


def _drawn(rng: Random, shares: dict[_Kind, int]) -> _Kind:
    return rng.choices(tuple(shares), tuple(shares.values()))[0]
