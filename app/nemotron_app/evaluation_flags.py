"""What can be varied and chosen in `nemotron-playground evaluate`?"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nemotron_backend.recipes.tasks import LEVELS, Level
from nemotron_backend.request import DECODES, PRECISIONS

_Choice = Callable[[str], Any]


def add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags of `evaluate`; lists are separated by commas."""
    parser = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on questions with one right answer",
        description="Asks held-out questions of the task suite of every point of a grid, and writes a "
        "report, a table, plots and all answers. Lists are separated by commas.",
    )
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="ids of models; all that are served if none"
    )
    _add_source(parser)
    _add_questions(parser)
    _add_grid(parser)


def _add_source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_argument_group("who answers")
    source.add_argument(
        "--checkpoint", type=_list(Path), default=(), metavar="FOLDER", help="serve what is in it"
    )
    source.add_argument(
        "--server", default="", metavar="URL", help="ask a running server, as in http://host/v1"
    )
    source.add_argument("--key", default="", help="its API key")
    source.add_argument("--engine", default="embedded", help="the engine otherwise (default: embedded)")
    source.add_argument(
        "--threads", type=_count, default=0, help="CPU threads of the engine; 0: all cores but one"
    )


def _add_questions(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_argument_group("what is asked")
    asked.add_argument("--examples", type=_count, default=180, help="questions for accuracy (default: 180)")
    asked.add_argument(
        "--timed",
        type=_count,
        default=18,
        help="how many of them again, one at a time, for speed (default: 18)",
    )
    asked.add_argument("--seed", type=int, default=0, help="which held-out questions (default: 0)")
    asked.add_argument(
        "--tasks", type=_list(str), default=(), help="tasks, as in arithmetic,dates; all if unset"
    )
    asked.add_argument(
        "--levels", type=_list(_level), default=LEVELS, help="of difficulty, as in 1,2 (default: 1,2,3)"
    )
    asked.add_argument("--max-tokens", type=_count, default=768, help="longest answer (default: 768)")
    asked.add_argument(
        "--concurrency", type=_count, default=16, help="questions at the same time (default: 16)"
    )
    asked.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for report.json, answers.jsonl and plots"
    )


def _add_grid(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_argument_group("what varies")
    grid.add_argument("--sizes", type=_list(str), default=(), help="as in 12b,30b,12b+30b; all if unset")
    grid.add_argument(
        "--pairs", action="store_true", help="also every pair of sizes: one thinks, one answers"
    )
    grid.add_argument("--precisions", type=_list(_one_of(PRECISIONS)), default=(), help="as in bf16,nvfp4")
    grid.add_argument("--decodes", type=_list(_one_of(DECODES)), default=(), help="decode modes")
    grid.add_argument(
        "--block-lengths", type=_list(_block_length), default=(0,), help="0 is the model's own (default: 0)"
    )
    grid.add_argument("--thresholds", type=_list(_share), default=(0.9,), help="of diffusion (default: 0.9)")
    grid.add_argument(
        "--draft-thresholds", type=_list(_share), default=(0.0,), help="of self-speculation (default: 0)"
    )
    grid.add_argument("--draftings", type=_list(_one_of(("linear", "quadratic"))), default=("linear",))
    grid.add_argument(
        "--budgets",
        type=_list(_budget),
        default=(-1,),
        help="tokens of thinking, `none` for no limit, or `off`",
    )
    grid.add_argument("--handovers", type=_list(_one_of(("prefill", "state"))), default=("prefill",))


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than nothing")
    return number


def _level(text: str) -> Level:
    for level in LEVELS:
        if text == str(level):
            return level
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(map(str, LEVELS))}")


def _block_length(text: str) -> int:
    if text not in ("0", "2", "4", "8", "16", "32", "64"):
        raise argparse.ArgumentTypeError(f"{text} is neither 0 nor a power of two from 2 to 64")
    return int(text)


def _share(text: str) -> float:
    if not 0 <= (share := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is outside 0 to 1")
    return share


def _list(choice: _Choice) -> Callable[[str], tuple[Any, ...]]:
    def read(text: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(choice(part.strip()) for part in text.split(",")))

    return read


def _one_of(words: tuple[str, ...]) -> _Choice:
    def read(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(words)}")
        return text

    return read


def _budget(text: str) -> int | None:
    return {"none": -1, "off": None}[text] if text in ("none", "off") else _count(text)
