"""Does the gated group norm follow its formula, in every dtype and per group?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels.gated_group_norm import gated_group_norm

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 1e-2}


def by_hand(x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float) -> Tensor:
    """Row by row and group by group, in float64."""
    x, gate, weight = x.double(), gate.double(), weight.double()
    out = torch.empty_like(x)
    width = x.shape[-1] // num_groups
    for row in range(x.shape[0]):
        for start in range(0, x.shape[-1], width):
            group = slice(start, start + width)
            gated = x[row, group] * gate[row, group] / (1 + torch.exp(-gate[row, group]))
            out[row, group] = gated / ((gated**2).mean() + epsilon).sqrt() * weight[group]
    return out


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("rows", "channels", "num_groups"), [(1, 6, 1), (5, 63, 3), (3, 1000, 8)])
def test_it_equals_the_formula(dtype: torch.dtype, rows: int, channels: int, num_groups: int) -> None:
    torch.manual_seed(0)
    x, gate = torch.randn(2, rows, channels).to(dtype)
    weight = torch.rand(channels).to(dtype)
    out = gated_group_norm(x, gate, weight, num_groups, 1e-5)
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.double(), by_hand(x, gate, weight, num_groups, 1e-5), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


def test_a_group_does_not_feel_its_neighbour() -> None:
    torch.manual_seed(0)
    x, gate, weight = torch.randn(2, 8), torch.randn(2, 8), torch.ones(8)
    louder = torch.cat([x[:, :4], 100 * x[:, 4:]], dim=1)
    before = gated_group_norm(x, gate, weight, 2, 1e-5)
    after = gated_group_norm(louder, gate, weight, 2, 1e-5)
    assert torch.equal(before[:, :4], after[:, :4])


def test_a_silent_group_stays_finite() -> None:
    out = gated_group_norm(torch.zeros(1, 8), torch.ones(1, 8), torch.ones(8), 2, 1e-5)
    assert torch.equal(out, torch.zeros(1, 8))
