"""Which questions are asked, and how does one read as a request?"""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from uuid import uuid4

from nemotron_backend.evaluation.point import Point
from nemotron_backend.recipes.tasks import LEVELS, Example, Level, held_out
from nemotron_backend.request import (
    GREEDY,
    Conversation,
    GenerationRequest,
    Message,
    Stopping,
)


def draw(
    num_examples: int, seed: int, tasks: Sequence[str], levels: Sequence[Level] = LEVELS
) -> tuple[Example, ...]:
    """Held-out examples, tasks in turn, so that the first few of them are of many tasks too."""
    streams = [_of_task(task, seed, levels) for task in tasks]
    return tuple(next(stream) for stream in islice(cycle(streams), num_examples))


def _of_task(task: str, seed: int, levels: Sequence[Level]) -> Iterator[Example]:
    return (example for example in held_out(seed, levels) if example.task == task)


def request_of(example: Example, point: Point, max_tokens: int, *, trace: bool) -> GenerationRequest:
    """The example as it is asked, answered greedily."""
    system = (Message(role="system", content=example.system),) if example.system else ()
    return GenerationRequest(
        id=f"evaluate-{uuid4().hex}",
        variant=point.variant,
        prompt=Conversation(
            messages=(*system, Message(role="user", content=example.question)),
            is_thinking=point.is_thinking,
        ),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=max_tokens, strings=(), token_ids=(), ignore_eos=False),
        num_choices=1,
        num_top_logprobs=None,
        trace=trace,
        decoding=point.decoding,
        thinking=point.thinking,
    )
