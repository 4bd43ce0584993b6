"""Sums, differences and products of whole numbers, worked digit by digit."""

from random import Random

from nemotron_backend.recipes.tasks.example import Example, Level

_DIGITS: dict[Level, int] = {1: 2, 2: 3, 3: 5}


def make(rng: Random, level: Level) -> Example:
    """A question such as `What is 417 + 86?`."""
    return rng.choice((_sum, _difference, _product))(rng, level)


def _number(rng: Random, digits: int) -> int:
    return rng.randrange(10 ** (digits - 1), 10**digits)


def _sum(rng: Random, level: Level) -> Example:
    left, right = _number(rng, _DIGITS[level]), _number(rng, rng.randint(1, _DIGITS[level]))
    return _example(level, f"{left} + {right}", "\n".join(_columns(left, right)), left + right)


def _columns(left: int, right: int) -> list[str]:
    lines, carry = [], 0
    while left or right or carry:
        a, b = left % 10, right % 10
        total = a + b + carry
        lines.append(f"{a} + {b} + {carry} = {total}, write {total % 10} carry {total // 10}")
        left, right, carry = left // 10, right // 10, total // 10
    return lines


def _difference(rng: Random, level: Level) -> Example:
    small, large = sorted((_number(rng, _DIGITS[level]), _number(rng, _DIGITS[level])))
    return _example(level, f"{large} - {small}", "\n".join(_borrows(large, small)), large - small)


def _borrows(large: int, small: int) -> list[str]:
    lines, borrow = [], 0
    while large or small:
        a, b = large % 10, small % 10
        value = a - b - borrow
        written = value % 10
        lines.append(f"{a} - {b} - {borrow} = {value}, write {written} borrow {int(value < 0)}")
        large, small, borrow = large // 10, small // 10, int(value < 0)
    return lines


def _product(rng: Random, level: Level) -> Example:
    left, factor = _number(rng, min(_DIGITS[level], 3)), rng.randint(2, 9)
    lines, carry, rest = [], 0, left
    while rest or carry:
        digit = rest % 10
        total = digit * factor + carry
        lines.append(f"{digit} * {factor} + {carry} = {total}, write {total % 10} carry {total // 10}")
        rest, carry = rest // 10, total // 10
    return _example(level, f"{left} * {factor}", "\n".join(lines), left * factor)


def _example(level: Level, expression: str, steps: str, answer: int) -> Example:
    question = f"What is {expression}?"
    return Example(task="arithmetic", level=level, question=question, steps=steps, answer=str(answer))
