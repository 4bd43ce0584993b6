"""Which ops are checked, at which shapes of which models?"""

from collections.abc import Iterator, Sequence

from nemotron_backend.catalog import Catalog
from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.floors import Load
from nemotron_backend.floors.illustrations import illustrate
from nemotron_backend.gpu_check.attention_cases import attention_case, norm_case
from nemotron_backend.gpu_check.case import Case
from nemotron_backend.gpu_check.decoding_cases import decoding_cases
from nemotron_backend.gpu_check.expert_cases import expert_cases
from nemotron_backend.gpu_check.linear_cases import (
    linear_case,
    linear_cases,
    mixed_case,
    rounded_cases,
    rounding_cases,
)
from nemotron_backend.gpu_check.mamba_cases import mamba_cases, scan_case
from nemotron_backend.gpu_check.mamba_tensors import widths
from nemotron_backend.gpu_check.slice_cases import slice_case
from nemotron_backend.request import PRECISIONS

BATCHES = (1, 64)
_BLOCK = 32
_PROMPT = 8192
_SMALLER = ("23b", "12b")


def plan(catalog: Catalog) -> Iterator[Case]:
    """Cases of Nano and its nested sizes, of Super's experts, and of Diffusion 8B."""
    nano = _dimensions(catalog, "nemotron-3-nano-30b-a3b")
    smaller = [illustrate(nano, size) for size in _SMALLER]
    yield from hybrid_cases([nano, *filter(None, smaller)], BATCHES, _PROMPT)
    super_experts = _dimensions(catalog, "nemotron-3-super-120b-a12b")
    if super_experts.experts:
        yield from expert_cases(super_experts.experts, super_experts.hidden, BATCHES[0])
    yield from block_cases(_dimensions(catalog, "nemotron-labs-diffusion-8b"), BATCHES, _BLOCK)


def hybrid_cases(sizes: Sequence[Dimensions], batches: Sequence[int], prompt: int) -> Iterator[Case]:
    """Ops of the first size, and layers that nested sizes share."""
    nano = sizes[0]
    mamba, experts, attention = nano.mamba, nano.experts, nano.attention
    assert mamba
    assert experts
    assert attention
    inner, channels = widths(mamba)
    for batch in batches:
        yield from linear_cases("in_proj", (inner + channels + mamba.heads, nano.hidden), batch)
        yield from linear_cases("out_proj", (nano.hidden, inner), batch)
        yield from linear_cases("shared up", (experts.shared_width, nano.hidden), batch)
        yield from rounded_cases("in_proj", (inner + channels + mamba.heads, nano.hidden), batch)
        yield from mamba_cases(mamba, batch)
        yield from expert_cases(experts, nano.hidden, batch)
        yield attention_case(attention, Load(batch=batch, context=prompt // 2))
        yield attention_case(attention, Load(batch=batch, context=prompt // 2, cache=1))
        yield norm_case(nano.hidden, batch)
    yield from _mixed(sizes, batches[-1])
    yield from rounding_cases((inner, nano.hidden))
    yield scan_case(mamba, prompt)
    for batch in batches:
        for precision in PRECISIONS:
            load = Load(precision=precision, batch=batch, context=prompt // 2)
            yield slice_case("Nano", nano, "EM*E", load)


def block_cases(dense: Dimensions, batches: Sequence[int], block: int) -> Iterator[Case]:
    """Ops of a block of masks."""
    attention, layer = dense.attention, dense.feed_forward
    assert attention
    assert layer
    yield from linear_cases("gate and up", (2 * layer.width, dense.hidden), block)
    yield linear_case("head", (dense.vocabulary, dense.hidden), block, "bf16")
    yield attention_case(attention, Load(tokens=block))
    yield norm_case(dense.hidden, block)
    yield from decoding_cases(dense.vocabulary, block)
    for batch in batches:
        yield slice_case("Diffusion", dense, "*-" * 4, Load(batch=batch))
    yield slice_case("Diffusion", dense, "*-" * 4, Load(tokens=block))


def _mixed(sizes: Sequence[Dimensions], rows: int) -> Iterator[Case]:
    """The shared experts' first matrix, whose inputs shrink with the size; its outputs do not."""
    shapes = tuple((size.experts.shared_width, size.hidden) for size in sizes if size.experts)
    for precision in PRECISIONS:
        yield mixed_case("shared up", shapes, rows, precision)


def _dimensions(catalog: Catalog, name: str) -> Dimensions:
    dimensions = catalog.find(name).sizes[0].dimensions
    assert dimensions, name
    return dimensions
