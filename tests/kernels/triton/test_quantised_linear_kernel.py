"""Do the kernels of linear layers compute what the stored weights stand for?

The interpreter multiplies neither bfloat16 nor block-scaled operands rightly: there both are widened to
float32, so that loads, masks, decoding and sums are what is tested here. The instructions that take apart two
bytes of NVFP4 have a test of their own.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.quantised_linear import Weight, kernel, linear, reference
from nemotron_kernels.quantised_linear.tile.shape import Tile

Poisoned = Callable[..., Tensor]
Close = Callable[[Tensor, Tensor, str], None]

SMALL = Tile(16, 32, 32)
SPLIT = Tile(16, 64, 64, splits=2)


def test_bfloat16_weights_in_a_slice_of_odd_shape(poisoned: Poisoned, close: Close) -> None:
    weight, x = _random(40, 90)[3:, :77].bfloat16(), _random(5, 160).bfloat16()[:, 1:155:2]
    out = poisoned((5, 64), torch.bfloat16)[:, :37]
    close(kernel.linear(x, weight, tile=SMALL, out=out), _exact(x, weight), "linear")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_fp8_weights(dtype: torch.dtype, poisoned: Poisoned, close: Close) -> None:
    weight, x = fp8.quantise(_random(37, 80)), _random(3, 80).to(dtype)
    out = poisoned((3, 37), dtype)
    close(kernel.linear(x, weight, tile=SPLIT, out=out), _exact(x, weight), "linear")


def test_fp8_weights_as_bytes(close: Close) -> None:
    weight, x = fp8.quantise(_random(37, 80)), _random(3, 80).half()
    as_bytes = Fp8Weight(weight=weight.weight.view(torch.uint8), weight_scale=weight.weight_scale)
    close(kernel.linear(x, as_bytes, tile=SMALL), _exact(x, weight), "linear")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_nvfp4_weights(dtype: torch.dtype, poisoned: Poisoned, close: Close) -> None:
    weight, x = nvfp4.quantise(_random(37, 80)), _random(3, 80).to(dtype)
    out = poisoned((3, 37), dtype)
    close(kernel.linear(x, weight, tile=SPLIT, out=out), _exact(x, weight), "linear")


def test_inputs_that_begin_at_an_odd_number(close: Close) -> None:
    weight, x = nvfp4.quantise(_random(9, 48)), _random(1, 49).half()[:, 1:]
    close(kernel.linear(x, weight, tile=SMALL), _exact(x, weight), "linear")


@pytest.mark.parametrize("stored", ["fp8", "nvfp4"])
def test_inputs_rounded_to_the_weights_format(stored: str, poisoned: Poisoned, close: Close) -> None:
    scale = torch.tensor(0.01 if stored == "fp8" else 0.002)
    weight = fp8.quantise(_random(37, 80)) if stored == "fp8" else nvfp4.quantise(_random(37, 80))
    x = _random(5, 80).bfloat16()
    rounded = reference.values(fp8.quantise(x, scale) if stored == "fp8" else nvfp4.quantise(x, scale))
    out = poisoned((5, 37), torch.bfloat16)
    close(kernel.linear(x, weight, scale, tile=SPLIT, out=out), _exact(rounded, weight), "linear")


def test_several_tiles_of_tokens(close: Close) -> None:
    weight, x = fp8.quantise(_random(37, 32)), _random(2, 9, 32)
    found = kernel.linear(x, weight, tile=Tile(8, 32, 32))
    close(found.view(18, 37), _exact(x.view(18, 32), weight), "linear")


def test_no_columns_give_zeros(poisoned: Poisoned) -> None:
    assert kernel.linear(torch.ones(2, 0), torch.ones(3, 0), out=poisoned((2, 3))).eq(0).all()


def test_no_tokens_give_no_rows() -> None:
    assert kernel.linear(torch.ones(0, 32), fp8.quantise(_random(8, 32))).shape == (0, 8)


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_the_environment_chooses_who_computes(
    implementation: str, poisoned: Poisoned, close: Close, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", implementation)
    weight, x, scale, out = fp8.quantise(_random(9, 32)), _random(2, 32), torch.tensor(0.01), poisoned((2, 9))
    assert linear(x, weight, scale, out=out) is out
    close(out, _exact(fp8.dequantise(fp8.quantise(x, scale)), weight), "linear")


def _exact(x: Tensor, weight: Weight) -> Tensor:
    return x.double() @ reference.values(weight).double().T


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(shape[0]))
