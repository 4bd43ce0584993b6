"""Lengths, masses and times in other units."""

from random import Random

from nemotron_backend.recipes.tasks import columns
from nemotron_backend.recipes.tasks.example import Example, Level

_UNITS: dict[Level, tuple[tuple[str, str, int], ...]] = {
    1: (("m", "cm", 100), ("km", "m", 1000), ("kg", "g", 1000)),
    2: (("hours", "minutes", 60), ("minutes", "seconds", 60), ("weeks", "days", 7)),
    3: (("days", "hours", 24), ("feet", "inches", 12), ("miles", "yards", 1760)),
}


def make(rng: Random, level: Level) -> Example:
    """A question such as `How many minutes are 7 hours?`."""
    large, small, factor = rng.choice(_UNITS[level])
    amount = rng.randint(2, 99) if level < 3 else rng.randint(2, 30)
    tens, ones = divmod(amount, 10)
    steps = f"1 {large} = {factor} {small}\n{_product(tens, ones, factor)}"
    question = f"How many {small} are {amount} {large}?"
    return Example(
        task="units", level=level, question=question, steps=steps, answer=f"{amount * factor} {small}"
    )


def _product(tens: int, ones: int, factor: int) -> str:
    parts = [f"{10 * tens} * {factor} = {10 * tens * factor}"] if tens else []
    parts += [f"{ones} * {factor} = {ones * factor}"] if ones else []
    added = columns.sum_of(10 * tens * factor, ones * factor) if tens and ones else []
    return "\n".join((*parts, *added))
