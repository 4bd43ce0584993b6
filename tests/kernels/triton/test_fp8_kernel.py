"""Do the kernels write the bits of FP8's definition?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.fp8 import kernel, reference

Poisoned = Callable[..., Tensor]

# Every float16 from 2^-11 to 512, with both signs: E4M3's values, its subnormal ones and the last among them,
# and all points halfway.
EVERY_FLOAT16 = torch.arange(0x1000, 0x6000, dtype=torch.int16).view(torch.float16)
EVERY_FLOAT16 = EVERY_FLOAT16 * torch.tensor([1.0, -1.0]).half().repeat(EVERY_FLOAT16.numel() // 2)


def test_every_float16_becomes_the_code_that_torch_makes(poisoned: Poisoned) -> None:
    values = EVERY_FLOAT16.view(-1, 512)
    scale = torch.tensor(1.0)
    out = poisoned(values.shape, torch.uint8).view(torch.float8_e4m3fn)
    kernel.quantise(values, scale, out=out)
    assert torch.equal(_bits(out), _bits(reference.quantise(values, scale).weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_slice_of_odd_shape_is_rounded_with_the_same_bits(dtype: torch.dtype) -> None:
    weight = _random(11, 700)[2:, 1::2].to(dtype)
    found, wanted = kernel.quantise(weight), reference.quantise(weight)
    assert torch.equal(found.weight_scale, wanted.weight_scale)
    assert torch.equal(_bits(found.weight), _bits(wanted.weight))


def test_activations_beyond_the_measured_scale_saturate() -> None:
    rows, scale = 1e4 * _random(3, 40), torch.tensor(0.7)
    found = kernel.quantise(rows, scale)
    assert found.weight.float().abs().max() == 448
    assert torch.equal(_bits(found.weight), _bits(reference.quantise(rows, scale).weight))


def test_a_slice_of_codes_becomes_its_values(poisoned: Poisoned) -> None:
    whole = reference.quantise(_random(7, 90))
    part = reference.Fp8Weight(weight=whole.weight[1:6, :33], weight_scale=whole.weight_scale)
    out = poisoned((5, 33))
    assert torch.equal(kernel.dequantise(part, out=out), reference.dequantise(part))


def test_nothing_gives_nothing() -> None:
    assert kernel.quantise(torch.ones(0, 32), torch.tensor(1.0)).weight.shape == (0, 32)


def _bits(codes: Tensor) -> Tensor:
    return codes.view(torch.uint8)


def _random(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))
