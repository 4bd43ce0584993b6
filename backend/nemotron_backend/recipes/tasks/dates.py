"""Days added to a date, and days of the week."""

from calendar import monthrange
from datetime import date, timedelta
from random import Random

from nemotron_backend.recipes.tasks import columns
from nemotron_backend.recipes.tasks.example import Example, Level

_DAYS: dict[Level, int] = {1: 20, 2: 60, 3: 120}
_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def make(rng: Random, level: Level) -> Example:
    """A question such as `Which date is 12 days after 2026-02-20?`."""
    return rng.choice((_after, _weekday))(rng, level)


def _after(rng: Random, level: Level) -> Example:
    start = date(rng.randint(1990, 2039), 1, 1) + timedelta(days=rng.randrange(365))
    days = rng.randint(1, _DAYS[level])
    question = f"Which date is {days} days after {start}?"
    steps = "\n".join(_months(start, days))
    answer = str(start + timedelta(days=days))
    return Example(task="dates", level=level, question=question, steps=steps, answer=answer)


def _months(start: date, days: int) -> list[str]:
    """Walk to the end of each month until the days are used up."""
    day, year, month, lines = start.day + days, start.year, start.month, columns.sum_of(start.day, days)
    while day > (length := monthrange(year, month)[1]):
        lines += [f"{year}-{month:02} day {day}, has {length}", *columns.difference_of(day, length)]
        day -= length
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return [*lines, f"{year}-{month:02} day {day}"]


def _weekday(rng: Random, level: Level) -> Example:
    today, days = rng.randrange(7), rng.randint(1, _DAYS[level])
    weeks, rest = divmod(days, 7)
    worked = columns.difference_of(days, 7 * weeks)
    walked = " ".join(_WEEK[(today + step) % 7] for step in range(rest + 1))
    steps = "\n".join((f"{weeks} weeks are {7 * weeks}", *worked, f"{rest} more", walked))
    question = f"Today is {_WEEK[today]}. Which day is it in {days} days?"
    answer = _WEEK[(today + days) % 7]
    return Example(task="dates", level=level, question=question, steps=steps, answer=answer)
