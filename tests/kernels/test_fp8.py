"""Does a weight become FP8 as ModelOpt writes it?"""

import torch

from nemotron_kernels import fp8


def test_the_largest_weight_becomes_448() -> None:
    quantised = fp8.quantise(torch.tensor([[0.5, -7.0], [3.5, 0.0]]))
    torch.testing.assert_close(quantised.weight_scale, torch.tensor(7.0 / 448))
    assert quantised.weight.float().tolist() == [[32.0, -448.0], [224.0, 0.0]]


def test_every_weight_is_the_nearest_e4m3_value() -> None:
    weight = torch.randn(33, 70, generator=torch.Generator().manual_seed(0))
    quantised = fp8.quantise(weight)
    grid = _finite_values() * quantised.weight_scale.double()
    nearest = (weight.double()[..., None] - grid).abs().amin(dim=-1)
    found = (weight.double() - quantised.weight.double() * quantised.weight_scale.double()).abs()
    torch.testing.assert_close(found, nearest, rtol=0, atol=1e-7)


def test_dequantised_weights_quantise_to_themselves() -> None:
    weight = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    once = fp8.dequantise(fp8.quantise(weight))
    torch.testing.assert_close(fp8.dequantise(fp8.quantise(once)), once, rtol=0, atol=0)


def test_a_weight_of_zeros_stays_zero() -> None:
    assert fp8.dequantise(fp8.quantise(torch.zeros(2, 16))).eq(0).all()


def test_no_rounding_of_the_scale_makes_nan() -> None:
    for seed in range(50):
        weight = torch.rand(4, 16, generator=torch.Generator().manual_seed(seed)) * 10.0 ** (seed % 9 - 4)
        assert fp8.dequantise(fp8.quantise(weight)).isfinite().all()


def _finite_values() -> torch.Tensor:
    codes = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).double()
    return codes[codes.isfinite()]
