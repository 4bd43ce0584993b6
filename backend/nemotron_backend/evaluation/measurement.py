"""What do a point's answers amount to?"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from nemotron_backend.evaluation.answer import Answer, Draft
from nemotron_backend.evaluation.point import Point
from nemotron_backend.evaluation.run import Asked
from nemotron_backend.recipes.tasks import Example, is_correct

_NORMAL = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many."""

    num_right: int
    num_all: int

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.num_right / self.num_all

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval, which holds the true share in 95 of 100 evaluations."""
        value, count, square = self.value, self.num_all, _NORMAL**2
        middle = (value + square / (2 * count)) / (1 + square / count)
        reach = _NORMAL / (1 + square / count)
        reach *= sqrt(value * (1 - value) / count + square / (4 * count**2))
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What became of drafted tokens; `histogram[n]` verifying forwards accepted n of them."""

    num_drafted: int
    num_accepted: int
    histogram: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Share of drafted tokens that stood."""
        return self.num_accepted / max(1, self.num_drafted)

    @property
    def mean_length(self) -> float:
        """Tokens of a verifying forward, the one that comes on top included."""
        return 1 + self.num_accepted / sum(self.histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One point in figures.

    Accuracy, tokens and acceptance come from all examples; `tokens_per_second` (after an answer's first
    token) and `latency_milliseconds` (of a whole answer) from those asked one at a time, and are None where
    none were. `throughput` is tokens a second of many questions at the same time. `identical` is the share
    of answers that the same network gave from left to right as well.
    """

    point: Point
    exact: Share
    by_task: Mapping[str, Share]
    by_level: Mapping[int, Share]
    mean_tokens: float
    mean_reasoning_tokens: float
    tokens_per_forward: float
    acceptance: Acceptance | None
    identical: Share | None
    throughput: float
    tokens_per_second: float | None
    latency_milliseconds: float | None
    cached_share: float


def measure(asked: Sequence[Asked], examples: Sequence[Example]) -> tuple[Measurement, ...]:
    """Every point's figures, in the order of `asked`."""
    by_point = {each.point: each for each in asked}
    return tuple(_measure(each, by_point.get(each.point.from_left_to_right), examples) for each in asked)


def _measure(asked: Asked, plain: Asked | None, examples: Sequence[Example]) -> Measurement:
    usages = [answer.usage for answer in asked.answers]
    tokens = sum(usage.completion_tokens for usage in usages)
    is_speculating = asked.point.variant.decode == "self-speculation"
    prompts = sum(answer.usage.prompt_tokens for answer in asked.timed)
    return Measurement(
        point=asked.point,
        exact=_right(asked, examples, lambda _: True),
        by_task={task: _right(asked, examples, _of_task(task)) for task in _tasks(examples)},
        by_level={level: _right(asked, examples, _of_level(level)) for level in _levels(examples)},
        mean_tokens=tokens / len(usages),
        mean_reasoning_tokens=fmean(usage.reasoning_tokens for usage in usages),
        tokens_per_forward=tokens / sum(usage.forwards + 1 for usage in usages),
        acceptance=_acceptance([draft for answer in asked.answers for draft in answer.drafts]),
        identical=_identical(asked, plain) if is_speculating and plain else None,
        throughput=tokens / asked.seconds,
        tokens_per_second=_rate(asked.timed),
        latency_milliseconds=fmean(answer.milliseconds for answer in asked.timed) if asked.timed else None,
        cached_share=sum(answer.usage.cached_tokens for answer in asked.timed) / max(1, prompts),
    )


def _tasks(examples: Sequence[Example]) -> list[str]:
    return list(dict.fromkeys(example.task for example in examples))


def _levels(examples: Sequence[Example]) -> list[int]:
    return sorted({example.level for example in examples})


def _of_task(task: str) -> Callable[[Example], bool]:
    return lambda example: example.task == task


def _of_level(level: int) -> Callable[[Example], bool]:
    return lambda example: example.level == level


def _right(asked: Asked, examples: Sequence[Example], counts: Callable[[Example], bool]) -> Share:
    pairs = zip(examples, asked.answers, strict=True)
    marks = [is_correct(example, answer.text) for example, answer in pairs if counts(example)]
    return Share(num_right=sum(marks), num_all=len(marks))


def _acceptance(drafts: Sequence[Draft]) -> Acceptance | None:
    if not drafts:
        return None
    lengths = Counter(draft.num_accepted for draft in drafts)
    widest = max(draft.num_drafted for draft in drafts)
    return Acceptance(
        num_drafted=sum(draft.num_drafted for draft in drafts),
        num_accepted=sum(draft.num_accepted for draft in drafts),
        histogram=tuple(lengths[length] for length in range(widest + 1)),
    )


def _identical(asked: Asked, plain: Asked) -> Share:
    same = [left.said == right.said for left, right in zip(asked.answers, plain.answers, strict=True)]
    return Share(num_right=sum(same), num_all=len(same))


def _rate(answers: Sequence[Answer]) -> float | None:
    """Tokens after the first over the time after the first, of all answers together."""
    usages = [answer.usage for answer in answers if answer.usage.completion_tokens > 1]
    seconds = sum(usage.total_milliseconds - usage.first_token_milliseconds for usage in usages) / 1000
    return sum(usage.completion_tokens - 1 for usage in usages) / seconds if seconds else None
