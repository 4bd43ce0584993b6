"""Does the root mean square norm follow its formula, whatever rows stand beside a row?"""

import pytest
import torch

from nemotron_kernels.rms_norm import rms_norm

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
