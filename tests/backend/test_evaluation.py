"""Does an evaluation ask what it says, fairly, and count what comes back?"""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.engine import ContextTooLong, EngineStatus
from nemotron_backend.evaluation import table
from nemotron_backend.evaluation.answer import EngineAsker
from nemotron_backend.evaluation.folder import write
from nemotron_backend.evaluation.grid import EmptyGrid, Grid, points
from nemotron_backend.evaluation.measurement import Measurement, Share, measure
from nemotron_backend.evaluation.pareto import best
from nemotron_backend.evaluation.point import Point
from nemotron_backend.evaluation.questions import draw
from nemotron_backend.evaluation.report import Origin
from nemotron_backend.evaluation.run import Plan, evaluate
from nemotron_backend.recipes.tasks import TASKS, Example, training
from nemotron_backend.request import (
    DECODES,
    PRECISIONS,
    Conversation,
    Decode,
    Decoding,
    Delta,
    Forward,
    GenerationRequest,
    Prompt,
    TokenState,
    TracedToken,
    Usage,
    Variant,
)

PLAIN = Variant(model="m", size="full", precision="bf16", decode="autoregressive")
SERVED = tuple(replace(PLAIN, decode=decode) for decode in DECODES)
ELASTIC = tuple(
    Variant(model="e", size=size, precision=precision, decode="autoregressive")
    for size in ("6m", "4m", "2m")
    for precision in PRECISIONS
)
ORIGIN = Origin(command="evaluate", made="2026-11-24", server="", versions={"torch": "2"}, plan={"seed": 0})


class Scholar:
    """An engine that knows the answers to questions of level 1, and takes 10 ms for each token."""

    def __init__(self, examples: tuple[Example, ...]) -> None:
        self._answers = {example.question: example for example in examples}
        self.requests: list[GenerationRequest] = []
        self.num_running = 0
        self.most_running = 0

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        await asyncio.sleep(0)
        self.num_running -= 1
        assert isinstance(request.prompt, Conversation)
        example = self._answers[request.prompt.messages[-1].content]
        text = example.answer if example.level == 1 else "I do not know"
        if request.variant.decode == "diffusion" and example.task == "words":
            text = "Words differ"
        if example.task == "dates":
            raise ContextTooLong("messages", "too long", num_tokens=9, limit=8)
        yield Delta(index=0, reasoning=example.steps)
        yield Delta(index=0, text=text[:3], trace=self._trace(request))
        yield Delta(index=0, text=text[3:], finish="stop", usage=self._usage(request.variant.decode))

    def _trace(self, request: GenerationRequest) -> tuple[Forward, ...]:
        if request.variant.decode != "self-speculation" or not request.trace:
            return ()
        states: tuple[TokenState, ...] = ("accepted", "accepted", "rejected", "bonus")
        tokens = tuple(TracedToken(position=at, id=1, state=state) for at, state in enumerate(states))
        return (
            Forward(kind="draft", milliseconds=1, tokens=()),
            Forward(kind="verify", milliseconds=1, tokens=tokens),
        )

    def _usage(self, decode: Decode) -> Usage:
        return Usage(
            prompt_tokens=20,
            cached_tokens=0,
            completion_tokens=12,
            reasoning_tokens=8,
            forwards=11 if decode == "autoregressive" else 3,
            queue_milliseconds=0.0,
            first_token_milliseconds=10.0,
            total_milliseconds=120.0,
        )

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        raise NotImplementedError

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        raise NotImplementedError

    def variants(self) -> tuple[Variant, ...]:
        return SERVED

    def status(self) -> EngineStatus:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to free."""


def labels(grid: Grid, served: tuple[Variant, ...] = SERVED) -> list[str]:
    return [point.label for point in points(grid, served)]


async def measured(grid: Grid, num_examples: int = 54) -> tuple[tuple[Measurement, ...], Scholar, list[str]]:
    plan = Plan(examples=draw(num_examples, 1, tuple(TASKS)), num_timed=9, max_tokens=64, concurrency=4)
    scholar, told = Scholar(plan.examples), list[str]()
    asked = await evaluate(EngineAsker(scholar), points(grid, SERVED), plan, told.append)
    assert len(told) == plan.num_requests(len(asked))
    return measure(asked, plan.examples), scholar, told


def test_the_default_grid_is_everything_served_at_its_default() -> None:
    assert labels(Grid()) == ["bf16 autoregressive", "bf16 diffusion threshold 0.9", "bf16 self-speculation"]


def test_only_modes_that_fill_masks_in_vary_with_block_and_threshold() -> None:
    grid = Grid(block_lengths=(8, 16), thresholds=(0.5, 0.9), draftings=("linear", "quadratic"))
    found = labels(grid)
    assert found.count("bf16 autoregressive") == 1
    assert sum("diffusion" in label for label in found) == 4
    assert "bf16 self-speculation block 16 quadratic" in found
    assert len(found) == 1 + 4 + 4


def test_pairs_are_made_of_the_sizes_that_are_served() -> None:
    assert len(points(Grid(has_pairs=True), ELASTIC)) == 9 + 3 * 6
    (pair,) = points(Grid(sizes=("2m+6m",), precisions=("fp8",)), ELASTIC)
    assert str(pair.variant) == "e:2m+6m:fp8:autoregressive"
    assert pair.is_pair


def test_budgets_switch_thinking_and_pairs_always_think() -> None:
    grid = Grid(
        sizes=("6m", "2m+6m"), precisions=("bf16",), budgets=(-1, 32, None), handovers=("prefill", "state")
    )
    assert labels(grid, ELASTIC) == [
        "6m bf16 autoregressive",
        "6m bf16 autoregressive budget 32",
        "6m bf16 autoregressive without thinking",
        "2m+6m bf16 autoregressive",
        "2m+6m bf16 autoregressive state handed over",
        "2m+6m bf16 autoregressive budget 32",
        "2m+6m bf16 autoregressive budget 32 state handed over",
    ]


def test_a_grid_of_nothing_names_what_is_served() -> None:
    with pytest.raises(EmptyGrid, match="served are m:full:bf16:autoregressive"):
        points(Grid(models=("other",)), SERVED)


def test_questions_are_held_out_the_same_for_a_seed_and_of_all_tasks_in_turn() -> None:
    drawn = draw(45, 7, tuple(TASKS))
    assert drawn == draw(45, 7, tuple(TASKS))
    assert drawn != draw(45, 8, tuple(TASKS))
    assert [example.task for example in drawn[:9]] == list(TASKS)
    taught = {example.question for example in islice(training(2027), 20_000)}
    assert not [example for example in drawn if example.question in taught and example.task != "family"]


def test_chosen_tasks_alone_are_asked() -> None:
    assert {example.task for example in draw(10, 0, ("dates", "units"))} == {"dates", "units"}


async def test_exact_matches_are_counted_overall_by_task_and_by_level() -> None:
    (plain, *_), _, _ = await measured(Grid())
    examples = draw(54, 1, tuple(TASKS))
    known = [example.level == 1 and example.task != "dates" for example in examples]
    assert plain.exact == Share(num_right=sum(known), num_all=54)
    assert plain.by_task["dates"] == Share(num_right=0, num_all=6)
    assert plain.by_level[2].num_right == plain.by_level[3].num_right == 0
    assert sum(share.num_all for share in plain.by_level.values()) == 54


async def test_questions_go_together_for_accuracy_and_alone_for_time() -> None:
    _, scholar, told = await measured(Grid())
    assert scholar.most_running == 4
    timed = scholar.requests[-27:]
    assert [request.variant.decode for request in timed[:6]] == [*DECODES, *DECODES]
    assert not any(request.trace for request in timed)
    assert told[-1].endswith("timed")


async def test_tokens_per_forward_count_all_forwards_and_the_prefill() -> None:
    plain, diffusion, _ = (await measured(Grid(), 9))[0]
    # The question about a date gets no token, from one prefill.
    assert plain.tokens_per_forward == pytest.approx(8 * 12 / (8 * 12 + 1))
    assert diffusion.tokens_per_forward == pytest.approx(8 * 12 / (8 * 4 + 1))


async def test_the_rate_is_of_the_tokens_after_the_first() -> None:
    (plain, *_), _, _ = await measured(Grid())
    assert plain.tokens_per_second == pytest.approx(1000 * 11 / 110)


async def test_acceptance_is_read_from_the_trace() -> None:
    (plain, _, drafted), _, _ = await measured(Grid())
    assert plain.acceptance is None
    assert drafted.acceptance is not None
    assert drafted.acceptance.rate == pytest.approx(2 / 3)
    assert drafted.acceptance.mean_length == 3
    assert drafted.acceptance.histogram == (0, 0, 48, 0)


async def test_only_self_speculation_is_compared_with_the_answer_from_left_to_right() -> None:
    plain, diffusion, drafted = (await measured(Grid()))[0]
    assert (plain.identical, diffusion.identical) == (None, None)
    assert drafted.identical == Share(num_right=54, num_all=54)
    (alone,) = (await measured(Grid(decodes=("self-speculation",))))[0]
    assert alone.identical is None


async def test_without_timed_questions_there_is_no_time() -> None:
    plan = Plan(examples=draw(9, 1, tuple(TASKS)), num_timed=0, max_tokens=64, concurrency=4)
    asked = await evaluate(
        EngineAsker(Scholar(plan.examples)), points(Grid(), SERVED), plan, lambda label: None
    )
    plain = measure(asked, plan.examples)[0]
    assert (plain.latency_milliseconds, plain.tokens_per_second) == (None, None)
    assert "–" in table.tables([plain])


async def test_a_folder_has_report_table_answers_and_plots(tmp_path: Path) -> None:
    plan = Plan(examples=draw(18, 1, tuple(TASKS)), num_timed=2, max_tokens=64, concurrency=4)
    asked = await evaluate(
        EngineAsker(Scholar(plan.examples)), points(Grid(), SERVED), plan, lambda label: None
    )
    measurements = measure(asked, plan.examples)
    write(tmp_path, measurements, asked, plan.examples, ORIGIN)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["format"], report["version"]) == ("nemotron-playground-evaluation", 1)
    assert report["machine"]["cores"] >= 1
    point = report["points"][2]
    assert point["variant"]["decode"] == "self-speculation"
    assert point["exact"]["low"] < point["exact"]["share"] < point["exact"]["high"]
    assert point["acceptance"]["histogram"][2] == sum(point["acceptance"]["histogram"])
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * 18
    assert sum(line["is_correct"] for line in lines[:18]) == report["points"][0]["exact"]["right"]
    assert (tmp_path / "table.md").read_text() == table.tables(measurements)
    for plot in ("latency", "tokens-per-forward", "acceptance"):
        assert "</svg>" in (tmp_path / f"m-{plot}.svg").read_text()


def test_the_same_figures_draw_the_same_picture(tmp_path: Path) -> None:
    from nemotron_backend.evaluation import plots

    figures = [figure(size, seconds) for size, seconds in (("6m", 0.9), ("2m", 0.4), ("2m+6m", 0.5))]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        plots.draw(figures, tmp_path / name)
    pictures = [(tmp_path / name / "e-latency.svg").read_bytes() for name in ("one", "two")]
    assert pictures[0] == pictures[1]
    assert not (tmp_path / "one" / "e-acceptance.svg").exists()


def figure(size: str, seconds: float) -> Measurement:
    share = Share(num_right=5, num_all=9)
    variant = Variant(model="e", size=size, precision="bf16", decode="autoregressive")
    values: dict[str, Any] = dict.fromkeys(("mean_tokens", "mean_reasoning_tokens", "throughput"), 10.0)
    return Measurement(
        point=replace(points(Grid(), SERVED)[0], variant=variant),
        exact=share,
        by_task={"dates": share},
        by_level={1: share},
        tokens_per_forward=1.0,
        acceptance=None,
        identical=None,
        tokens_per_second=20.0,
        latency_milliseconds=1000 * seconds,
        cached_share=0.0,
        **values,
    )


def test_the_table_leaves_out_what_all_points_share() -> None:
    told = table.tables([figure("6m", 0.9), figure("2m", 0.4)])
    assert "| 6m | 55.6 % | 10 | 1.00 | 20 | 900 ms |" in told
    assert "autoregressive" not in told


def test_a_point_is_on_the_line_if_no_other_is_as_quick_and_as_good() -> None:
    assert best([(3.0, 0.9), (1.0, 0.5), (2.0, 0.4), (2.0, 0.7), (4.0, 0.9)]) == [1, 3, 0]


def test_the_interval_holds_the_share_and_narrows_with_more_questions() -> None:
    few, many = Share(num_right=9, num_all=10), Share(num_right=900, num_all=1000)
    assert few.interval == pytest.approx((0.5958, 0.9821), abs=1e-3)
    assert many.interval[0] > few.interval[0]
    assert Share(num_right=10, num_all=10).interval[1] == 1.0


def test_a_point_from_left_to_right_keeps_the_thinking() -> None:
    point = points(Grid(decodes=("diffusion",), budgets=(32,), block_lengths=(8,)), SERVED)[0]
    plain = point.from_left_to_right
    assert (plain.variant.decode, plain.decoding) == ("autoregressive", Decoding())
    assert plain.thinking == point.thinking
    assert isinstance(plain, Point)
