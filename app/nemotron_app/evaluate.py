"""What does `nemotron-playground evaluate` do, and what does it leave behind?"""

import argparse
import asyncio
import shlex
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from importlib.util import find_spec

from tqdm import tqdm

from nemotron_app.evaluation_subject import Subject, engine_subject, server_subject
from nemotron_app.settings import BadSetting, read_settings
from nemotron_app.versions import maker_of
from nemotron_backend.engine import EngineError
from nemotron_backend.evaluation import table
from nemotron_backend.evaluation.grid import EmptyGrid, Grid, points
from nemotron_backend.evaluation.measurement import measure
from nemotron_backend.evaluation.questions import draw
from nemotron_backend.evaluation.report import Origin
from nemotron_backend.evaluation.run import Plan, evaluate
from nemotron_backend.recipes.tasks import TASKS


class CannotEvaluate(Exception):
    """The command cannot be carried out; the message says why in one line."""


def run(given: argparse.Namespace) -> int:
    """Measure, print the tables, write the rest. `given.words` are the flags as they came."""
    try:
        _check(given)
        asyncio.run(_run(given))
    except (CannotEvaluate, EmptyGrid, BadSetting, EngineError, OSError) as error:
        print(f"nemotron-playground: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _check(given: argparse.Namespace) -> None:
    if unknown := sorted(set(given.tasks) - set(TASKS)):
        raise CannotEvaluate(f"tasks: there is no {unknown[0]!r}; there are {', '.join(TASKS)}")
    if given.examples < 1:
        raise CannotEvaluate("examples: at least one question must be asked")
    if given.out and find_spec("matplotlib") is None:
        raise CannotEvaluate("plots need matplotlib: pip install 'nemotron-playground[evaluate]'")
    if given.out and given.out.exists() and (not given.out.is_dir() or any(given.out.iterdir())):
        raise CannotEvaluate(f"out: {given.out} is not an empty folder; name another one")


async def _run(given: argparse.Namespace) -> None:
    plan = Plan(
        examples=draw(given.examples, given.seed, given.tasks or tuple(TASKS), given.levels),
        num_timed=min(given.timed, given.examples),
        max_tokens=given.max_tokens,
        concurrency=given.concurrency,
    )
    async with _subject(given) as subject:
        chosen = points(_grid(given), subject.served)
        with tqdm(total=plan.num_requests(len(chosen)), unit=" answers", disable=None) as bar:
            asked = await evaluate(subject.asker, chosen, plan, lambda label: _show(bar, label))
    measurements = measure(asked, plan.examples)
    print(table.tables(measurements), end="")
    if given.out:
        from nemotron_backend.evaluation.folder import write  # which needs matplotlib

        write(given.out, measurements, asked, plan.examples, _origin(given, plan, subject))
        print(f"{given.out}: {', '.join(sorted(file.name for file in given.out.iterdir()))}", file=sys.stderr)


def _show(bar: "tqdm[None]", label: str) -> None:
    bar.set_description(label, refresh=False)
    bar.update()


def _subject(given: argparse.Namespace) -> AbstractAsyncContextManager[Subject]:
    if given.server:
        return server_subject(given.server, given.key or "none")
    return engine_subject(read_settings(_settings(given), None))


def _settings(given: argparse.Namespace) -> dict[str, object]:
    return {
        "engine": given.engine,
        "threads": given.threads,
        "max_running": given.concurrency,
        # An answer must not be quicker because another point read the same prompt before.
        "prefix_reuse": False,
        **({"checkpoint": given.checkpoint} if given.checkpoint else {}),
    }


def _grid(given: argparse.Namespace) -> Grid:
    return Grid(
        models=tuple(given.models),
        sizes=given.sizes,
        has_pairs=given.pairs,
        precisions=given.precisions,
        decodes=given.decodes,
        block_lengths=given.block_lengths,
        thresholds=given.thresholds,
        draft_thresholds=given.draft_thresholds,
        draftings=given.draftings,
        budgets=given.budgets,
        handovers=given.handovers,
    )


def _origin(given: argparse.Namespace, plan: Plan, subject: Subject) -> Origin:
    return Origin(
        command=f"nemotron-playground evaluate {shlex.join(_words(given))}",
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        server=given.server,
        versions={"python": sys.version.split()[0], **maker_of(subject.engine).versions},
        plan={
            "seed": given.seed,
            "tasks": list(given.tasks or TASKS),
            "levels": list(given.levels),
            "examples": len(plan.examples),
            "timed": plan.num_timed,
            "max_tokens": plan.max_tokens,
            "concurrency": plan.concurrency,
        },
    )


def _words(given: argparse.Namespace) -> list[str]:
    """The flags, but for the key, which is nobody's business."""
    return [word.replace(given.key, "...") if given.key else word for word in given.words]
