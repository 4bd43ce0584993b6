"""Sums, differences and products of whole numbers, worked digit by digit."""

from random import Random

from nemotron_backend.recipes.tasks import columns
from nemotron_backend.recipes.tasks.example import Example, Level

_DIGITS: dict[Level, int] = {1: 2, 2: 3, 3: 5}


def make(rng: Random, level: Level) -> Example:
    """A question such as `What is 417 + 86?`."""
    return rng.choice((_sum, _difference, _product))(rng, level)


def _number(rng: Random, digits: int) -> int:
    return rng.randrange(10 ** (digits - 1), 10**digits)


def _sum(rng: Random, level: Level) -> Example:
    left, right = _number(rng, _DIGITS[level]), _number(rng, rng.randint(1, _DIGITS[level]))
    return _example(level, f"{left} + {right}", columns.sum_of(left, right), left + right)


def _difference(rng: Random, level: Level) -> Example:
    small, large = sorted((_number(rng, _DIGITS[level]), _number(rng, _DIGITS[level])))
    return _example(level, f"{large} - {small}", columns.difference_of(large, small), large - small)


def _product(rng: Random, level: Level) -> Example:
    left, factor = _number(rng, min(_DIGITS[level], 3)), rng.randint(2, 9)
    return _example(level, f"{left} * {factor}", columns.product_of(left, factor), left * factor)


def _example(level: Level, expression: str, steps: list[str], answer: int) -> Example:
    question = f"What is {expression}?"
    return Example(
        task="arithmetic", level=level, question=question, steps="\n".join(steps), answer=str(answer)
    )
