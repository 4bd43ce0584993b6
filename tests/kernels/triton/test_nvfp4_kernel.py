"""Do the kernels write the bits of NVFP4's definition?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.nvfp4 import Nvfp4Weight, kernel, reference

Poisoned = Callable[..., Tensor]

# Magnitudes of E2M1, its halfway points, and what lies just beside them, in both signs.
_STEPS = torch.tensor([0.0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6])
NEAR_TIES = torch.cat((_STEPS, _STEPS.nextafter(torch.tensor(9.0)), _STEPS.nextafter(torch.tensor(-9.0))))


def test_every_tie_goes_where_the_definition_sends_it() -> None:
    values = torch.cat((NEAR_TIES, -NEAR_TIES, torch.full((6,), 6.0))).reshape(-1, 16)
    values[:, 0] = 6.0  # so that every block's scale is one
    found = kernel.quantise(values, torch.tensor(1.0))
    assert torch.equal(found.weight, reference.quantise(values, torch.tensor(1.0)).weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_slice_of_odd_shape_is_rounded_with_the_same_bits(dtype: torch.dtype, poisoned: Poisoned) -> None:
    weight = (_random(7, 1120) * _random(7, 1).exp()).to(dtype)[1:, 1::2][:, :544]
    weight[2, 16:32] = 0
    weight[3, 32:48] *= 1e-9
    wanted = reference.quantise(weight)
    out = Nvfp4Weight(
        weight=poisoned(wanted.weight.shape, torch.uint8),
        weight_scale=poisoned(wanted.weight_scale.shape, torch.uint8).view(torch.float8_e4m3fn),
        weight_scale_2=wanted.weight_scale_2,
    )
    _same(kernel.quantise(weight, out=out), wanted)


def test_activations_beyond_the_measured_scale_saturate() -> None:
    rows, scale = 1e3 * _random(3, 48), torch.tensor(0.01)
    found = kernel.quantise(rows, scale)
    assert found.weight_scale.float().max() == 448
    _same(found, reference.quantise(rows, scale))


def test_a_prefix_of_codes_becomes_its_values(poisoned: Poisoned) -> None:
    whole = reference.quantise(_random(6, 96))
    part = Nvfp4Weight(
        weight=whole.weight[1:, :24],
        weight_scale=whole.weight_scale[1:, :3],
        weight_scale_2=whole.weight_scale_2,
    )
    assert torch.equal(kernel.dequantise(part, out=poisoned((5, 48))), reference.dequantise(part))


def test_nothing_gives_nothing() -> None:
    assert kernel.dequantise(kernel.quantise(torch.ones(0, 32), torch.tensor(1.0))).shape == (0, 32)


def _same(found: Nvfp4Weight, wanted: Nvfp4Weight) -> None:
    assert torch.equal(found.weight_scale_2, wanted.weight_scale_2)
    assert torch.equal(found.weight_scale.view(torch.uint8), wanted.weight_scale.view(torch.uint8))
    assert torch.equal(found.weight, wanted.weight)


def _random(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))
