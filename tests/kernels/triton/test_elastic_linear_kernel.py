"""Do tokens of several sizes share one launch, and is every output of every token written?

As in the linear layers' own tests, products that the interpreter gets wrong are widened to float32.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.elastic_linear import kernel, prefix
from nemotron_kernels.quantised_linear import Weight
from nemotron_kernels.quantised_linear.kernel import linear
from nemotron_kernels.quantised_linear.reference import values
from nemotron_kernels.quantised_linear.tile.shape import Tile

Poisoned = Callable[..., Tensor]
Close = Callable[[Tensor, Tensor, str], None]

FORMATS = ["bf16", "fp8", "nvfp4"]
# Whole, prefixes, a token of no rows, one of no columns, and one alone in its tile whose rows end early.
SIZES = [(41, 80), (24, 32), (41, 64), (7, 16), (0, 80), (41, 0), (41, 48), (24, 32), (5, 16)]


@pytest.mark.parametrize(
    ("stored", "dtype"), [("bf16", torch.bfloat16), ("fp8", torch.float32), ("nvfp4", torch.float16)]
)
def test_each_token_keeps_to_its_limits(
    stored: str, dtype: torch.dtype, poisoned: Poisoned, close: Close
) -> None:
    weight, x = _stored(stored, _random(41, 80).to(dtype)), _random(9, 80).to(dtype)
    exact, x = _exact(x, weight), _spoilt(x)
    limits = torch.tensor(SIZES, dtype=torch.int32)
    out = poisoned((9, 41), dtype)
    close(kernel.mixed_linear(x, weight, limits, tile=Tile(8, 32, 32), out=out), exact, "elastic_linear")


def test_splits_beyond_the_largest_size_add_nothing(poisoned: Poisoned, close: Close) -> None:
    weight, x = _stored("fp8", _random(41, 80)), _random(9, 80)
    limits = torch.tensor(SIZES, dtype=torch.int32)
    out = poisoned((9, 41))
    tile = Tile(16, 64, 32, splits=3)
    close(kernel.mixed_linear(x, weight, limits, tile=tile, out=out), _exact(x, weight), "elastic_linear")


def test_rounded_inputs_of_several_sizes(poisoned: Poisoned, close: Close) -> None:
    weight, x, scale = nvfp4.quantise(_random(41, 80)), _random(9, 80), torch.tensor(0.002)
    exact = _exact(nvfp4.dequantise(nvfp4.quantise(x, scale)), weight)
    limits, out = torch.tensor(SIZES, dtype=torch.int32), poisoned((9, 41))
    found = kernel.mixed_linear(_spoilt(x, 1e4), weight, limits, scale, tile=Tile(16, 64, 32), out=out)
    close(found, exact, "elastic_linear")


@pytest.mark.parametrize("stored", FORMATS)
def test_a_prefix_keeps_the_strides_of_the_whole(stored: str, poisoned: Poisoned, close: Close) -> None:
    weight, x = _stored(stored, _random(41, 80)), _random(3, 80)[:, :48]
    part = prefix(weight, 29, 48)
    out = poisoned((3, 29))
    close(
        linear(x, part, tile=Tile(16, 32, 32), out=out),
        x.double() @ values(part).double().T,
        "elastic_linear",
    )


def _exact(x: Tensor, weight: Weight) -> Tensor:
    out = torch.zeros(len(x), 41, dtype=torch.float64)
    for token, (rows, columns) in enumerate(SIZES):
        out[token, :rows] = x[token, :columns].double() @ values(weight)[:rows, :columns].double().T
    return out


def _spoilt(x: Tensor, by: float = torch.nan) -> Tensor:
    """What lies beyond a token's columns must not reach its outputs."""
    beyond = torch.arange(x.shape[1]) >= torch.tensor([columns for _, columns in SIZES])[:, None]
    return x.masked_fill(beyond, by)


def _stored(stored: str, weight: Tensor) -> Weight:
    match stored:
        case "fp8":
            return fp8.quantise(weight)
        case "nvfp4":
            return nvfp4.quantise(weight)
        case _:
            return weight


def _random(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))
