"""How many points has an answer with a known flaw, in a known frame?

Five attributes from 0 to 4, named as NVIDIA's HelpSteer2 names them. What each means here follows from how
the answer was made, and stands on the checkpoint's card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from nemotron_backend.recipes.reward.flaws import Flaw
from nemotron_backend.recipes.tasks import Example

Frame = Literal["bare", "polite", "repeated", "worked"]
FRAMES: tuple[Frame, ...] = get_args(Frame)
_POLITE = (
    "Of course! The answer is {answer}. I hope that this helps.",
    "Thank you for asking. It is {answer}. Let me know if you need more.",
    "Sure, I can help with that. Here it is: {answer}. Have a nice day!",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The five attributes, in NVIDIA's order."""

    helpfulness: float
    correctness: float
    coherence: float
    complexity: float
    verbosity: float


# Helpfulness, correctness and coherence by what is said.
_BY_FLAW: Mapping[Flaw, tuple[float, float, float]] = {
    "none": (4.0, 4.0, 4.0),
    "slip": (1.0, 2.0, 4.0),
    "cut": (1.0, 2.0, 2.0),
    "other": (0.5, 1.0, 4.0),
    "shuffled": (0.0, 1.0, 0.0),
    "foreign": (0.0, 0.0, 3.0),
    "refusal": (0.0, 0.0, 4.0),
}
# What the frame adds to the same three, and complexity and verbosity, by how it is said.
_BY_FRAME: Mapping[Frame, tuple[float, float, float, float, float]] = {
    "bare": (0.0, 0.0, 0.0, 1.0, 1.0),
    "polite": (-0.5, 0.0, 0.0, 1.0, 3.0),
    "repeated": (-1.0, 0.0, -2.0, 1.0, 4.0),
    "worked": (0.0, 0.0, 0.0, 3.0, 2.0),
}


def framed(rng: Random, example: Example, answer: str, frame: Frame) -> str:
    """The answer as it is said."""
    match frame:
        case "bare":
            return answer
        case "polite":
            return rng.choice(_POLITE).format(answer=answer)
        case "repeated":
            return "\n".join([answer] * rng.randint(2, 3))
        case "worked":
            return f"{example.steps}\n{answer}"


def points_of(flaw: Flaw, frame: Frame) -> Points:
    """The points of such an answer."""
    said, manner = _BY_FLAW[flaw], _BY_FRAME[frame]
    helpfulness, correctness, coherence = (
        max(0.0, of + added) for of, added in zip(said, manner[:3], strict=True)
    )
    return Points(
        helpfulness=helpfulness,
        correctness=correctness,
        coherence=coherence,
        complexity=0.0 if flaw == "refusal" else manner[3],
        verbosity=manner[4],
    )
