"""Which dialogues are taught when?"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from random import Random

from nemotron_backend.recipes.batches import batches
from nemotron_backend.recipes.dialogue import Dialogue, Script
from nemotron_backend.recipes.tasks import LEVELS, Example, Level, training

_EVEN_UNTIL = 0.6  # of all steps
_EASY = frozenset({"extraction", "tools", "family"})
_EASY_SHARE = 0.2


def course(
    script: Script,
    seed: int,
    num_steps: int,
    num_tokens: int,
    *,
    unit: int = 1,
    levels: Sequence[Level] = LEVELS,
) -> Iterator[list[Dialogue]]:
    """Batches without end: all tasks evenly at first, then mostly those that take longest to learn."""
    even = script.dialogues(training(seed, levels), seed + 1)
    hard = script.dialogues(_mostly_hard(seed + 2, levels), seed + 3)
    num_even = int(_EVEN_UNTIL * num_steps)
    return chain(islice(batches(even, num_tokens, unit), num_even), batches(hard, num_tokens, unit))


def _mostly_hard(seed: int, levels: Sequence[Level]) -> Iterator[Example]:
    rng = Random(seed)
    for example in training(seed, levels):
        if example.task not in _EASY or rng.random() < _EASY_SHARE:
            yield example
