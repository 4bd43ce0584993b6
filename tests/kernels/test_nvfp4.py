"""Does a weight become NVFP4 as ModelOpt writes it?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels import nvfp4

# (value, code): every code, every tie, and what lies beyond the last boundary.
ROUNDED = [
    (0.0, 0), (0.5, 1), (1.0, 2), (1.5, 3), (2.0, 4), (3.0, 5), (4.0, 6), (6.0, 7),
    (0.25, 0), (0.75, 2), (1.25, 2), (1.75, 4), (2.5, 4), (3.5, 6), (5.0, 6), (5.01, 7), (1000.0, 7),
    (-0.5, 9), (-0.75, 10), (-5.0, 14), (-6.0, 15), (-0.1, 8), (-0.0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("value", "code"), ROUNDED)
def test_a_value_rounds_to_its_code(value: float, code: int) -> None:
    assert nvfp4.encode(torch.tensor([value])).tolist() == [code]


def test_codes_stand_for_their_values() -> None:
    values = nvfp4.decode(torch.arange(16, dtype=torch.uint8))
    assert values[:8].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    assert values[8:].tolist() == [-value for value in values[:8].tolist()]
    assert values[8].signbit()


def test_the_published_block_packs_into_the_published_bytes() -> None:
    block = torch.tensor([[6.0, 3.0, -1.5, 0.25] + [0.0] * 12])
    quantised = nvfp4.quantise(block)
    torch.testing.assert_close(quantised.weight_scale_2, torch.tensor(6 / 2688))
    assert quantised.weight_scale.float().tolist() == [[448.0]]
    assert quantised.weight.tolist() == [[0x57, 0x0B] + [0] * 6]
    torch.testing.assert_close(
        nvfp4.dequantise(quantised)[0, :4], torch.tensor([6.0, 3.0, -1.5, 0.0]), rtol=1e-6, atol=0
    )


def test_shapes_and_types_are_those_of_a_checkpoint() -> None:
    quantised = nvfp4.quantise(_random(5, 48, seed=0))
    assert (quantised.weight.shape, quantised.weight.dtype) == ((5, 24), torch.uint8)
    assert (quantised.weight_scale.shape, quantised.weight_scale.dtype) == ((5, 3), torch.float8_e4m3fn)
    assert (quantised.weight_scale_2.shape, quantised.weight_scale_2.dtype) == ((), torch.float32)


@pytest.mark.parametrize("seed", range(5))
def test_every_weight_is_the_nearest_value_of_its_block(seed: int) -> None:
    weight = _random(7, 64, seed=seed)
    quantised = nvfp4.quantise(weight)
    scale = quantised.weight_scale.double().repeat_interleave(16, dim=1) * quantised.weight_scale_2.double()
    values = nvfp4.decode(torch.arange(16, dtype=torch.uint8)).double()
    nearest = (weight.double()[..., None] - values * scale[..., None]).abs().amin(dim=-1)
    found = (weight.double() - nvfp4.dequantise(quantised).double()).abs()
    torch.testing.assert_close(found, nearest, rtol=0, atol=1e-6)


def test_a_tiny_block_beside_a_large_one_keeps_the_smallest_scale() -> None:
    weight = torch.zeros(1, 32)
    weight[0, 0], weight[0, 16] = 1.0, 1e-9
    assert nvfp4.quantise(weight).weight_scale.float()[0, 1] == 2.0**-9


def test_a_block_of_zeros_has_scale_one_and_a_tensor_of_zeros_stays_zero() -> None:
    half = torch.cat((_random(1, 16, seed=0), torch.zeros(1, 16)), dim=1)
    assert nvfp4.quantise(half).weight_scale.float()[0, 1] == 1.0
    assert nvfp4.dequantise(nvfp4.quantise(torch.zeros(3, 32))).eq(0).all()


def test_float16_holds_every_block_value() -> None:
    scales = torch.arange(1, 127, dtype=torch.uint8).view(torch.float8_e4m3fn)
    codes = torch.arange(8, dtype=torch.uint8)
    packed = (codes[0::2] | codes[1::2] << 4).repeat(2).expand(len(scales), -1)
    quantised = nvfp4.Nvfp4Weight(
        weight=packed, weight_scale=scales[:, None], weight_scale_2=torch.tensor(1.0)
    )
    values = nvfp4.block_values(quantised)
    assert values.abs().max() == 448 * 6
    torch.testing.assert_close(values.half().float(), values, rtol=0, atol=0)


def test_an_axis_that_16_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="16 divides, not 24"):
        nvfp4.quantise(torch.zeros(2, 24))


def _random(rows: int, columns: int, *, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
