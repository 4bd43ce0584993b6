"""How are the floors of one model written down, op by op?"""

from collections.abc import Iterator

from nemotron_backend.catalog import Model, Size
from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.floors.call import Call, Load
from nemotron_backend.floors.card import CARDS
from nemotron_backend.floors.dense import sampler_call
from nemotron_backend.floors.hybrid import scan
from nemotron_backend.floors.illustrations import illustrate
from nemotron_backend.floors.models import BATCHES, BLOCK, floors_of, tokens_per_forward
from nemotron_backend.floors.step import step_of

_PROMPT = 8192


def lines_of(model: Model) -> Iterator[str]:
    """Every size in every precision: the forward, then its ops."""
    for size in model.sizes:
        dimensions, remark = _dimensions(model, size)
        if dimensions is None:
            yield f"\n{model.name}, {size.name}: its dimensions are not known"
            continue
        for precision in model.precisions:
            for batch, tokens in _shapes(model):
                load = Load(precision=precision, batch=batch, tokens=tokens)
                yield f"\n{model.name}, {size.name}{remark}: {precision}, batch {batch}, new tokens {tokens}"
                yield from _forward(dimensions, load)
        yield from _published(model, size)


def _published(model: Model, size: Size) -> Iterator[str]:
    """Rates of the modes that end with several tokens a forward."""
    for floor in floors_of(model):
        if floor.size == size.name and floor.decode != "autoregressive":
            tokens = tokens_per_forward(model, floor.decode)
            yield (
                f"  {floor.decode} at {tokens:.3g} tokens a forward, {floor.precision}, {floor.card}: "
                f"{floor.tokens_per_second:.0f} tokens/s"
            )


def _shapes(model: Model) -> Iterator[tuple[int, int]]:
    yield from ((batch, 1) for batch in BATCHES)
    if "diffusion" in model.decodes:
        yield 1, BLOCK


def _dimensions(model: Model, size: Size) -> tuple[Dimensions | None, str]:
    full = model.sizes[0].dimensions
    if size.dimensions or full is None:
        return size.dimensions, ""
    return illustrate(full, size.name), " (an illustration: its dimensions are not published)"


def _forward(dimensions: Dimensions, load: Load) -> Iterator[str]:
    step = step_of(dimensions, load)
    limits = (
        f"{card.name} {1e3 * step.seconds(card):.2f} ms, {step.tokens_per_second(card):.0f} tokens/s"
        for card in CARDS
    )
    yield f"  forward {step.num_bytes / 1e9:.2f} GB, {step.operations / 1e9:.0f} GFLOP: {'; '.join(limits)}"
    yield f"  {'layers':>6} {'op':<18}{'':<36}{'MB':>9}{'MFLOP':>11}" + _columns()
    for call in (*step.calls, *_beside(dimensions, load)):
        yield _line(call)


def _beside(dimensions: Dimensions, load: Load) -> Iterator[Call]:
    """Ops that no decode step of the network itself makes."""
    if load.tokens > 1:
        yield sampler_call(dimensions.vocabulary, load)
    elif dimensions.mamba and load.batch == 1:
        yield scan(dimensions.mamba, _PROMPT)


def _columns() -> str:
    return "".join(f"{card.name + ' us':>10}" for card in CARDS)


def _line(call: Call) -> str:
    times = (1e6 * card.seconds(call.num_bytes, call.operations) for card in CARDS)
    amounts = f"{call.num_bytes / 1e6:9.2f}{call.operations / 1e6:11.2f}"
    return f"  {call.count:>6} {call.op:<18}{call.name:<36}{amounts}" + "".join(
        f"{time:10.2f}" for time in times
    )
