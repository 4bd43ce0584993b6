"""Which examples are learned, which are held out, and when is an answer right?"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from random import Random
from types import ModuleType
from typing import get_args

from nemotron_backend.recipes.tasks import (
    arithmetic,
    dates,
    extraction,
    family,
    problems,
    sorting,
    tools,
    units,
    words,
)
from nemotron_backend.recipes.tasks.example import Example, Level

TASKS: Mapping[str, ModuleType] = {
    "arithmetic": arithmetic,
    "sorting": sorting,
    "words": words,
    "dates": dates,
    "units": units,
    "problems": problems,
    "extraction": extraction,
    "tools": tools,
    "family": family,
}
LEVELS: tuple[Level, ...] = get_args(Level)
_KEPT_WHOLE = frozenset({"family"})
_SHARE = 1 / 16


def training(seed: int, levels: Sequence[Level] = LEVELS) -> Iterator[Example]:
    """Endless examples, tasks and levels mixed evenly, none of them held out."""
    return (example for example in _mixed(seed, levels) if not _is_held_out(example))


def held_out(seed: int, levels: Sequence[Level] = LEVELS) -> Iterator[Example]:
    """Endless examples that `training` never gives, whatever the seeds.

    Facts of the family are few and cannot be inferred, so that task is asked as it was taught, as often as
    the others.
    """
    rng = Random(seed)
    for example in _mixed(seed, levels):
        if rng.random() < _SHARE if example.task in _KEPT_WHOLE else _is_held_out(example):
            yield example


def is_correct(example: Example, answer: str) -> bool:
    """Exact match, white space at both ends aside."""
    return answer.strip() == example.answer


def _mixed(seed: int, levels: Sequence[Level]) -> Iterator[Example]:
    rng = Random(seed)
    while True:
        task = TASKS[rng.choice(tuple(TASKS))]
        yield task.make(rng, rng.choice(levels))


def _is_held_out(example: Example) -> bool:
    """A `_SHARE` of all questions, chosen by their text alone, so that the split never depends on a seed."""
    return example.task not in _KEPT_WHOLE and sha256(example.question.encode()).digest()[0] < 256 * _SHARE
