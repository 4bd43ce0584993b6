"""Does the norm's kernel give what the reference does?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.rms_norm import kernel

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]


def exact(x: Tensor, weight: Tensor | None, width: int) -> Tensor:
    kept = x.double()[..., :width]
    normed = kept / (kept.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return normed if weight is None else normed * weight.double()[:width]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("width", [1, 100])
def test_a_norm_of_a_slice(width: int, dtype: torch.dtype, poisoned: Poisoned, close: Close) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2 * width + 1).to(dtype)[:, 1::2]
    weight = torch.rand(width).to(dtype) if width > 1 else None
    close(kernel.rms_norm(x, weight, 1e-5, out=poisoned(x.shape, dtype)), exact(x, weight, width), "rms_norm")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("widths", [None, (90, 32, 1, 0)], ids=["even", "mixed"])
def test_a_norm_of_a_sum(
    widths: tuple[int, ...] | None, dtype: torch.dtype, poisoned: Poisoned, close: Close
) -> None:
    """What lies beyond a row's width is NaN, so reading it would show."""
    torch.manual_seed(0)
    x, residual, weight = torch.randn(4, 90).to(dtype), torch.randn(4, 90).to(dtype), torch.rand(90)
    kept = torch.tensor(widths or (90,) * 4, dtype=torch.int32)
    is_kept = torch.arange(90) < kept[:, None]
    total = torch.where(is_kept, x.double() + residual.double(), 0)
    x[~is_kept] = torch.nan
    out = (poisoned(x.shape, dtype), poisoned(x.shape, dtype))
    kernel.add_rms_norm(x, residual, weight, 1e-5, kept if widths else None, out=out)
    close(out[1], total, "rms_norm")
    for row, width in enumerate(kept.tolist()):
        close(out[0][row, :width], exact(out[1][row], weight, width), "rms_norm")
        assert not out[0][row, width:].any()


def test_no_rows_are_no_launch() -> None:
    assert kernel.rms_norm(torch.empty(2, 0, 8), None, 1e-5).shape == (2, 0, 8)
