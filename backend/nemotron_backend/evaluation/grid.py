"""Which points does a grid of choices have?"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import permutations

from nemotron_backend.evaluation.point import Point
from nemotron_backend.request import Decode, Decoding, Drafting, Handover, Precision, Thinking, Variant

NO_THINKING = "off"
UNLIMITED = "none"


class EmptyGrid(ValueError):
    """Nothing that is served is in the grid; the message says what is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What to vary; an empty choice takes all that is served.

    Sizes may be pairs, as in `4m+6m`. Block length 0 is the model's own. `thresholds` are diffusion's,
    `draft_thresholds` self-speculation's. `budgets` are numbers of tokens, -1 for no limit, or None for no
    thinking at all; `handovers` matter to pairs alone.
    """

    models: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    has_pairs: bool = False
    precisions: tuple[Precision, ...] = ()
    decodes: tuple[Decode, ...] = ()
    block_lengths: tuple[int, ...] = (0,)
    thresholds: tuple[float, ...] = (0.9,)
    draft_thresholds: tuple[float, ...] = (0.0,)
    draftings: tuple[Drafting, ...] = ("linear",)
    budgets: tuple[int | None, ...] = (-1,)
    handovers: tuple[Handover, ...] = ("prefill",)


def points(grid: Grid, served: Collection[Variant]) -> tuple[Point, ...]:
    """Every point that can be asked, autoregressive before other modes. Raises EmptyGrid."""
    found = tuple(
        Point(variant=variant, decoding=decoding, thinking=thinking, is_thinking=is_thinking)
        for variant in _variants(grid, served)
        for is_thinking, thinking in _thinkings(grid, variant)
        for decoding in _decodings(grid, variant.decode)
    )
    if not found:
        shown = ", ".join(map(str, served))
        raise EmptyGrid(f"nothing that was asked for is served; served are {shown or 'no variants'}")
    return found


def _variants(grid: Grid, served: Collection[Variant]) -> Iterator[Variant]:
    single = [variant for variant in served if "+" not in variant.size]
    for variant in [*single, *_pairs(grid, single)]:
        if (
            variant.model in (grid.models or (variant.model,))
            and variant.size in (grid.sizes or (variant.size,))
            and variant.precision in (grid.precisions or (variant.precision,))
            and variant.decode in (grid.decodes or (variant.decode,))
        ):
            yield variant


def _pairs(grid: Grid, single: Collection[Variant]) -> Iterator[Variant]:
    """A pair has what both of its sizes have."""
    if not grid.has_pairs and not any("+" in size for size in grid.sizes):
        return
    for thinks, answers in permutations(single, 2):
        if replace(thinks, size=answers.size) == answers:
            yield replace(answers, size=f"{thinks.size}+{answers.size}")


def _thinkings(grid: Grid, variant: Variant) -> Iterator[tuple[bool, Thinking]]:
    is_pair = "+" in variant.size
    for budget in grid.budgets:
        if budget is None:
            if not is_pair:
                yield False, Thinking()
            continue
        for handover in grid.handovers if is_pair else grid.handovers[:1]:
            yield True, Thinking(budget=budget, handover=handover if is_pair else "prefill")


def _decodings(grid: Grid, decode: Decode) -> Iterator[Decoding]:
    match decode:
        case "autoregressive":
            yield Decoding()
        case "diffusion":
            for length in grid.block_lengths:
                for threshold in grid.thresholds:
                    yield Decoding(block_length=length, threshold=threshold)
        case "self-speculation":
            for length in grid.block_lengths:
                for threshold in grid.draft_thresholds:
                    for drafting in grid.draftings:
                        yield Decoding(block_length=length, threshold=threshold, drafting=drafting)
