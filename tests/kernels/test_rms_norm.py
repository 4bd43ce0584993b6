"""Does the root mean square norm follow its formula, whatever rows stand beside a row?"""

import pytest
import torch

from nemotron_kernels.rms_norm import add_rms_norm, rms_norm

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 1e-2}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 768)], ids=str)
@pytest.mark.parametrize("offset", [0.0, 3.0], ids=["centred", "shifted"])
def test_it_equals_the_formula(dtype: torch.dtype, shape: tuple[int, ...], offset: float) -> None:
    torch.manual_seed(0)
    x, weight = (torch.randn(shape) + offset).to(dtype), torch.rand(shape[-1]).to(dtype)
    out = rms_norm(x, weight, 1e-5)
    root = (x.double().square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.double(), x.double() / root * weight.double(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


def test_a_row_gets_the_same_bits_alone_and_among_others() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(9, 200), torch.rand(200)
    alone = torch.cat([rms_norm(row, weight, 1e-5) for row in torch.split(x, 1)])
    assert torch.equal(alone, rms_norm(x, weight, 1e-5))


def test_gradients_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 24, requires_grad=True)
    grads = [torch.autograd.grad(out.square().sum() + out.sum(), x)[0] for out in _both(x)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-5)


def _both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weight = torch.linspace(0.5, 2, x.shape[-1])
    root = (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return rms_norm(x, weight, 1e-5), x / root * weight


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_norm_of_a_sum_is_that_of_the_sum_as_it_is_kept(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, residual, weight = torch.randn(5, 40).to(dtype), torch.randn(5, 40).to(dtype), torch.rand(40).to(dtype)
    normed, total = add_rms_norm(x, residual, weight, 1e-5)
    assert torch.equal(total, x + residual)
    assert torch.equal(normed, rms_norm(total, weight, 1e-5))


def test_rows_of_nested_widths_are_as_if_they_were_cut() -> None:
    torch.manual_seed(0)
    x, residual, weight = torch.randn(4, 40), torch.randn(4, 40), torch.rand(40)
    widths = torch.tensor([40, 24, 1, 0], dtype=torch.int32)
    normed, total = add_rms_norm(x, residual, weight, 1e-5, widths)
    for row, width in enumerate(widths.tolist()):
        cut = add_rms_norm(x[row : row + 1, :width], residual[row : row + 1, :width], weight[:width], 1e-5)
        torch.testing.assert_close(normed[row, :width], cut[0][0])
        torch.testing.assert_close(total[row, :width], cut[1][0])
        assert not normed[row, width:].any()
        assert not total[row, width:].any()
