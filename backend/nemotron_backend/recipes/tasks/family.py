"""Questions about the Nemotron family, answered from the catalog."""

from functools import cache
from random import Random

from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.recipes.tasks.example import Example, Level


def make(rng: Random, level: Level) -> Example:
    """A question such as `Which licence has Nemotron 3 Nano?`; a comparison of two models at level 3."""
    if level == 3:
        return _comparison(rng)
    model = rng.choice(_family())
    question, answer = rng.choice(_facts(model, level))
    steps = f"{model.name}: {answer}"
    return Example(task="family", level=level, question=question, steps=steps, answer=answer)


@cache
def _family() -> tuple[Model, ...]:
    return tuple(model for model in Catalog.read().models if model.family != "local")


def _facts(model: Model, level: Level) -> tuple[tuple[str, str], ...]:
    if level == 1:
        return (
            (f"Which licence has {model.name}?", model.license),
            (f"What is the context of {model.name}?", f"{model.context} tokens"),
        )
    return (
        (f"Which precisions has {model.name}?", ", ".join(model.precisions)),
        (f"Which decode modes has {model.name}?", ", ".join(model.decodes)),
        (f"Which sizes has {model.name}?", ", ".join(size.name for size in model.sizes)),
    )


def _comparison(rng: Random) -> Example:
    left, right = rng.sample(_family(), 2)
    longer = left if left.context >= right.context else right
    answer = "both" if left.context == right.context else longer.name
    return Example(
        task="family",
        level=3,
        question=f"Which has the longer context, {left.name} or {right.name}?",
        steps=f"{left.name}: {left.context}\n{right.name}: {right.context}",
        answer=answer,
    )
