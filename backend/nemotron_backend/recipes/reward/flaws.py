"""How is a right answer spoilt?"""

from collections.abc import Callable, Mapping
from random import Random
from string import ascii_lowercase, digits
from typing import Literal, get_args

from nemotron_backend.recipes.tasks import TASKS, Example, Level

Flaw = Literal["none", "slip", "cut", "other", "shuffled", "foreign", "refusal"]
FLAWS: tuple[Flaw, ...] = get_args(Flaw)
_REFUSALS = ("I do not know.", "I cannot answer that.", "Sorry, I am not sure.")


def spoil(rng: Random, example: Example, flaw: Flaw) -> str | None:
    """The answer with this flaw; None where that would be the right one again, or none at all."""
    text = _SPOILT[flaw](rng, example)
    return text if text.strip() and (flaw == "none") == (text == example.answer) else None


def _none(rng: Random, example: Example) -> str:
    return example.answer


def _slip(rng: Random, example: Example) -> str:
    """One digit is another, or one letter where there are no digits."""
    answer = example.answer
    kind = digits if any(character in digits for character in answer) else ascii_lowercase
    places = [place for place, character in enumerate(answer) if character in kind]
    if not places:
        return answer
    place = rng.choice(places)
    slipped = rng.choice(kind.replace(answer[place], ""))
    return f"{answer[:place]}{slipped}{answer[place + 1 :]}"


def _cut(rng: Random, example: Example) -> str:
    """It breaks off."""
    return example.answer[: rng.randint(1, max(1, len(example.answer) * 2 // 3))].rstrip()


def _other(rng: Random, example: Example) -> str:
    """The right answer to another question of the task."""
    return _answer(rng, example.task, example.level)


def _shuffled(rng: Random, example: Example) -> str:
    """The characters of each word, or of the whole where it is one word, in another order."""
    words = example.answer.split()
    return " ".join("".join(rng.sample(word, len(word))) for word in rng.sample(words, len(words)))


def _foreign(rng: Random, example: Example) -> str:
    """The right answer to a question of another task."""
    task = rng.choice([task for task in TASKS if task != example.task])
    return _answer(rng, task, example.level)


def _answer(rng: Random, task: str, level: Level) -> str:
    made: Example = TASKS[task].make(rng, level)
    return made.answer


def _refusal(rng: Random, example: Example) -> str:
    return rng.choice(_REFUSALS)


_SPOILT: Mapping[Flaw, Callable[[Random, Example], str]] = {
    "none": _none,
    "slip": _slip,
    "cut": _cut,
    "other": _other,
    "shuffled": _shuffled,
    "foreign": _foreign,
    "refusal": _refusal,
}
