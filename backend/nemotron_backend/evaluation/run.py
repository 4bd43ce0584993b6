"""How are all points asked, fairly?

Accuracy first: point after point, many questions at the same time. Then time: one question at a time, each
asked of every point in turn, so that a machine that slows down slows all of them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from nemotron_backend.evaluation.answer import Answer, Asker
from nemotron_backend.evaluation.point import Point
from nemotron_backend.evaluation.questions import request_of
from nemotron_backend.recipes.tasks import Example

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of every point: all `examples`, the first `num_timed` of them again for the time."""

    examples: tuple[Example, ...]
    num_timed: int
    max_tokens: int
    concurrency: int

    def num_requests(self, num_points: int) -> int:
        """How often `progress` is told of an answer."""
        return num_points * (len(self.examples) + self.num_timed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one point said: an answer an example, those of the timed ones again, and the seconds of the first
    pass as a whole.
    """

    point: Point
    answers: tuple[Answer, ...]
    timed: tuple[Answer, ...]
    seconds: float


async def evaluate(
    asker: Asker, points: Sequence[Point], plan: Plan, progress: Progress
) -> tuple[Asked, ...]:
    """Ask every point; `progress` gets a point's label with each answer. Raises EngineError."""
    passes = [await _ask_all(asker, point, plan, progress) for point in points]
    timed = await _ask_in_turn(asker, points, plan, progress)
    return tuple(
        Asked(point=point, answers=answers, timed=timed[point], seconds=seconds)
        for point, (answers, seconds) in zip(points, passes, strict=True)
    )


async def _ask_all(
    asker: Asker, point: Point, plan: Plan, progress: Progress
) -> tuple[tuple[Answer, ...], float]:
    # The first request of a point may have to wait for its network to be made.
    await asker.ask(request_of(plan.examples[0], point, 1, trace=False))
    places = asyncio.Semaphore(plan.concurrency)

    async def ask(example: Example) -> Answer:
        async with places:
            answer = await asker.ask(request_of(example, point, plan.max_tokens, trace=True))
        progress(point.label)
        return answer

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(example)) for example in plan.examples]
    return tuple(task.result() for task in tasks), perf_counter() - started


async def _ask_in_turn(
    asker: Asker, points: Sequence[Point], plan: Plan, progress: Progress
) -> Mapping[Point, tuple[Answer, ...]]:
    timed: dict[Point, list[Answer]] = {point: [] for point in points}
    for example in plan.examples[: plan.num_timed]:
        for point in points:
            answer = await asker.ask(request_of(example, point, plan.max_tokens, trace=False))
            timed[point].append(answer)
            progress(f"{point.label}, timed")
    return {point: tuple(answers) for point, answers in timed.items()}
