"""Numbers put in order, and the extremes of a list."""

from random import Random

from nemotron_backend.recipes.tasks.example import Example, Level

_LENGTH: dict[Level, int] = {1: 3, 2: 5, 3: 8}


def make(rng: Random, level: Level) -> Example:
    """A question such as `Sort ascending: 41 7 23`."""
    numbers = rng.sample(range(1, 100), _LENGTH[level])
    descending = rng.random() < 0.5
    order = "descending" if descending else "ascending"
    steps = "\n".join(_selections(numbers, descending))
    answer = " ".join(map(str, sorted(numbers, reverse=descending)))
    question = f"Sort {order}: {' '.join(map(str, numbers))}"
    return Example(task="sorting", level=level, question=question, steps=steps, answer=answer)


def _selections(numbers: list[int], descending: bool) -> list[str]:
    """Selection sort, one line a choice: what is taken, what is left."""
    left, lines = list(numbers), []
    while left:
        taken = max(left) if descending else min(left)
        left.remove(taken)
        lines.append(f"take {taken}, left {' '.join(map(str, left)) or 'none'}")
    return lines
