"""Small word problems of one to three steps."""

from random import Random

from nemotron_backend.recipes.tasks import columns
from nemotron_backend.recipes.tasks.example import Example, Level

_NAMES = ("Ana", "Ben", "Chen", "Dina", "Emil", "Fay", "Goran", "Hana")
_THINGS = ("apples", "books", "coins", "cards", "stones", "stamps")


def make(rng: Random, level: Level) -> Example:
    """A story of `level` events about one person's things, and how many are left."""
    name, things, have = rng.choice(_NAMES), rng.choice(_THINGS), rng.randint(5, 40)
    story, steps = [f"{name} has {have} {things}."], [f"start {have}"]
    for _ in range(level):
        sentence, worked, have = _event(rng, name, have)
        story.append(sentence)
        steps += [*worked, f"has {have}"]
    question = f"{' '.join(story)} How many {things} does {name} have?"
    return Example(
        task="problems", level=level, question=question, steps="\n".join(steps), answer=f"{have} {things}"
    )


def _event(rng: Random, name: str, have: int) -> tuple[str, list[str], int]:
    """What happens, how the new number is worked out, and that number."""
    kind = rng.choice(("gets", "gives", "doubles")) if have < 50 else "gives"
    if kind == "gets":
        number = rng.randint(2, 30)
        return f"{name} gets {number} more.", columns.sum_of(have, number), have + number
    if kind == "gives":
        number = rng.randint(1, have - 1) if have > 1 else 0
        return f"{name} gives {number} away.", columns.difference_of(have, number), have - number
    return f"{name} doubles them.", columns.product_of(have, 2), 2 * have
