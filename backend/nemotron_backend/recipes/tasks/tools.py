"""Questions that are answered by calling a tool, in Nemotron 3's call format."""

from random import Random

from nemotron_backend.recipes.tasks.example import Example, Level

_CITIES = ("Oslo", "Lima", "Cairo", "Paris", "Quito", "Delhi", "Porto", "Turin")
_WAYS = ("train", "bus", "plane")
_TOOLS: dict[str, tuple[str, ...]] = {
    "get_weather": ("city",),
    "convert_money": ("amount", "currency"),
    "book_trip": ("origin", "destination", "way"),
}


def make(rng: Random, level: Level) -> Example:
    """A wish that one of the offered tools can grant, and the call that does it."""
    name = tuple(_TOOLS)[level - 1]
    question, arguments = _wish(rng, name)
    steps = "\n".join((f"tool {name}", *(f"{key} is {value}" for key, value in arguments.items())))
    offered = " ".join(f"{tool}({', '.join(keys)})" for tool, keys in _TOOLS.items())
    return Example(
        task="tools",
        level=level,
        question=question,
        steps=steps,
        answer=call(name, arguments),
        system=f"Tools: {offered}",
    )


def call(name: str, arguments: dict[str, str]) -> str:
    """A tool call as Nemotron 3 writes it (facts: chat template of Nemotron 3 Nano)."""
    parameters = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


def _wish(rng: Random, name: str) -> tuple[str, dict[str, str]]:
    if name == "get_weather":
        city = rng.choice(_CITIES)
        return f"What is the weather like in {city} on day {rng.randint(1, 99)}?", {"city": city}
    if name == "convert_money":
        amount, currency = str(rng.randint(2, 999)), rng.choice(("euro", "yen", "peso", "krone"))
        return f"How much is {amount} dollars in {currency}?", {"amount": amount, "currency": currency}
    origin, destination = rng.sample(_CITIES, 2)
    way = rng.choice(_WAYS)
    nights = rng.randint(1, 30)
    return (
        f"I want to go from {origin} to {destination} by {way} for {nights} nights.",
        {"origin": origin, "destination": destination, "way": way},
    )
