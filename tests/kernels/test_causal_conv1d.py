"""Does the causal convolution equal torch's own, whole and in pieces?"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.causal_conv1d import causal_conv1d


def by_torch(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Padded depthwise convolution in float64, from empty taps."""
    size = weight.shape[1]
    padded = F.pad(x.double().mT, (size - 1, 0))
    bias = None if bias is None else bias.double()
    return F.silu(F.conv1d(padded, weight.double()[:, None], bias, groups=weight.shape[0])).mT


@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize(("batch", "length", "channels", "size"), [(1, 1, 3, 4), (2, 63, 5, 4), (3, 2, 7, 2)])
def test_it_equals_a_padded_convolution(
    batch: int, length: int, channels: int, size: int, has_bias: bool
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(batch, length, channels), torch.randn(channels, size)
    bias = torch.randn(channels) if has_bias else None
    out, taps = causal_conv1d(x, torch.zeros(batch, size - 1, channels), weight, bias)
    torch.testing.assert_close(out.double(), by_torch(x, weight, bias), rtol=1e-5, atol=1e-5)
    assert taps.shape == (batch, size - 1, channels)


@pytest.mark.parametrize("cut", [1, 2, 5, 16])
def test_two_pieces_equal_the_whole(cut: int) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 17, 6), torch.randn(6, 4), torch.randn(6)
    empty = torch.zeros(2, 3, 6)
    whole, last = causal_conv1d(x, empty, weight, bias)
    first, taps = causal_conv1d(x[:, :cut], empty, weight, bias)
    second, final = causal_conv1d(x[:, cut:], taps, weight, bias)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-6, atol=1e-6)
    assert torch.equal(final, last)
