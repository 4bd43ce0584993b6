"""Facts taken from a sentence into JSON."""

import json
from random import Random

from nemotron_backend.recipes.tasks.example import Example, Level

_NAMES = ("Ana", "Ben", "Chen", "Dina", "Emil", "Fay", "Goran", "Hana")
_CITIES = ("Oslo", "Lima", "Cairo", "Paris", "Quito", "Delhi", "Porto", "Turin")
_JOBS = ("baker", "doctor", "driver", "farmer", "pilot", "singer", "teacher", "writer")
_FIELDS: dict[Level, tuple[str, ...]] = {
    1: ("name", "age"),
    2: ("name", "age", "city"),
    3: ("name", "age", "city", "job", "tags"),
}


def make(rng: Random, level: Level) -> Example:
    """A sentence about a person, and the JSON object of the fields that are asked for."""
    person: dict[str, object] = {
        "name": rng.choice(_NAMES),
        "age": rng.randint(18, 90),
        "city": rng.choice(_CITIES),
        "job": rng.choice(_JOBS),
        "tags": rng.sample(("red", "blue", "green", "gold", "grey"), 2),
    }
    fields = _FIELDS[level]
    answer = json.dumps({field: person[field] for field in fields})
    steps = "\n".join(f"{field}: {json.dumps(person[field])}" for field in fields)
    question = f"Give {', '.join(fields)} as JSON: {_sentence(rng, person)}"
    return Example(task="extraction", level=level, question=question, steps=steps, answer=answer)


def _sentence(rng: Random, person: dict[str, object]) -> str:
    tags = " and ".join(person["tags"]) if isinstance(person["tags"], list) else ""
    patterns = (
        "{name}, {age}, works as a {job} in {city} and likes {tags}.",
        "The {job} {name} from {city} is {age} years old and likes {tags}.",
        "In {city} lives {name}, a {job} of {age} years, who likes {tags}.",
    )
    return rng.choice(patterns).format(**{**person, "tags": tags})
