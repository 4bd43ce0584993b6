"""Does the gated norm's kernel equal its formula, with every channel of a group and with the first ones?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.gated_group_norm import kernel, reference

Close = Callable[[Tensor, Tensor, str], None]


@pytest.mark.parametrize(
    ("dtype", "shape", "groups"),
    [(torch.float32, (3, 2, 15), 3), (torch.bfloat16, (2, 64), 1), (torch.float16, (1, 12), 4)],
    ids=str,
)
def test_it_equals_the_formula(dtype: torch.dtype, shape: tuple[int, ...], groups: int, close: Close) -> None:
    torch.manual_seed(0)
    channels = shape[-1]
    wide = torch.randn(*shape[:-1], 3 * channels).to(dtype)
    x, gate, weight = (
        wide[..., :channels],
        wide[..., channels : 2 * channels],
        torch.randn(channels).to(dtype),
    )
    out = kernel.gated_group_norm(x, gate, weight, groups, 1e-5)
    u = x.double() * gate.double() * torch.sigmoid(gate.double())
    grouped = torch.unflatten(u, -1, (groups, -1))
    normed = grouped / (grouped.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    close(out, normed.flatten(-2) * weight.double(), "gated_group_norm")


def test_rows_of_smaller_sizes_are_normed_over_their_own_channels(close: Close) -> None:
    torch.manual_seed(0)
    x, gate, weight = torch.randn(4, 24), torch.randn(4, 24), torch.randn(24)
    kept = torch.tensor([8, 5, 1, 0], dtype=torch.int32)
    out = kernel.gated_group_norm(x, gate, weight, 3, 1e-5, kept)
    expected = torch.zeros(4, 3, 8, dtype=torch.float64)
    for row, size in enumerate(kept.tolist()):
        own_x, own_gate, own_weight = (
            part.view(3, 8)[:, :size].flatten().double() for part in (x[row], gate[row], weight)
        )
        if size:
            normed = reference.gated_group_norm(own_x, own_gate, own_weight, 3, 1e-5)
            expected[row, :, :size] = normed.view(3, size)
    close(out, expected.view(4, 24), "gated_group_norm")
    close(
        reference.gated_group_norm(x, gate, weight, 3, 1e-5, kept), expected.view(4, 24), "gated_group_norm"
    )


def test_no_rows_give_no_rows() -> None:
    empty = torch.empty(0, 8)
    assert kernel.gated_group_norm(empty, empty, torch.ones(8), 2, 1e-5).shape == (0, 8)
