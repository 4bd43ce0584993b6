"""Which dialogues are taught when?"""

from collections.abc import Iterator
from itertools import chain, islice
from random import Random

from nemotron_backend.recipes.batches import batches
from nemotron_backend.recipes.dialogue import Dialogue, Script
from nemotron_backend.recipes.tasks import Example, training

_EVEN_UNTIL = 0.6  # of all steps
_EASY = frozenset({"extraction", "tools", "family"})
_EASY_SHARE = 0.2


def course(
    script: Script, seed: int, num_steps: int, num_tokens: int, unit: int = 1
) -> Iterator[list[Dialogue]]:
    """Batches without end: all tasks evenly at first, then mostly those that take longest to learn."""
    even = script.dialogues(training(seed), seed + 1)
    hard = script.dialogues(_mostly_hard(seed + 2), seed + 3)
    num_even = int(_EVEN_UNTIL * num_steps)
    return chain(islice(batches(even, num_tokens, unit), num_even), batches(hard, num_tokens, unit))


def _mostly_hard(seed: int) -> Iterator[Example]:
    rng = Random(seed)
    return (example for example in training(seed) if example.task not in _EASY or rng.random() < _EASY_SHARE)
