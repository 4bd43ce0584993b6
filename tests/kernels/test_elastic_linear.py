"""Is a nested size the model that its slices would be?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.elastic_linear import elastic_linear, mixed_linear, prefix
from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.nvfp4 import Nvfp4Weight
from nemotron_kernels.quantised_linear import Weight, linear

FORMATS = ["bf16", "fp8", "nvfp4"]


@pytest.mark.parametrize("stored", FORMATS)
def test_a_prefix_computes_what_a_sliced_weight_would(stored: str) -> None:
    weight, x = _stored(stored, 40, 64), _random(3, 64)
    found = elastic_linear(x, weight, (24, 32))
    torch.testing.assert_close(found, x[:, :32] @ _values(weight)[:24, :32].T)


@pytest.mark.parametrize("stored", FORMATS)
def test_a_prefix_is_no_copy(stored: str) -> None:
    weight = _stored(stored, 40, 64)
    part = prefix(weight, 24, 32)
    whole_tensors, part_tensors = _tensors(weight), _tensors(part)
    assert [t.data_ptr() for t in part_tensors] == [t.data_ptr() for t in whole_tensors]
    assert [t.stride() for t in part_tensors] == [t.stride() for t in whole_tensors]


@pytest.mark.parametrize("stored", FORMATS)
def test_tokens_of_all_sizes_compute_what_each_would_alone(stored: str) -> None:
    weight, x = _stored(stored, 40, 64), _random(5, 64)
    sizes = [(40, 64), (24, 32), (0, 64), (24, 32), (16, 48)]
    found = mixed_linear(x, weight, torch.tensor(sizes, dtype=torch.int32))
    for token, (rows, columns) in enumerate(sizes):
        alone = elastic_linear(x[token : token + 1], weight, (rows, columns))[0]
        torch.testing.assert_close(found[token, :rows], alone)
        assert found[token, rows:].eq(0).all()


def test_what_lies_beyond_a_limit_is_not_read() -> None:
    weight, x = _stored("bf16", 16, 32), _random(2, 32)
    clean = mixed_linear(x, weight, torch.tensor([[16, 16], [8, 16]], dtype=torch.int32))
    x[:, 16:] = torch.nan
    found = mixed_linear(x, weight, torch.tensor([[16, 16], [8, 16]], dtype=torch.int32))
    assert torch.equal(found, clean)


@pytest.mark.parametrize("stored", ["fp8", "nvfp4"])
def test_rounded_inputs_are_rounded_to_the_weights_format(stored: str) -> None:
    weight, x, scale = _stored(stored, 8, 32), _random(3, 48)[:, :32], torch.tensor(0.02)
    rounded = _values(_round(stored, x, scale))
    torch.testing.assert_close(linear(x, weight, scale), rounded @ _values(weight).T)


def test_nvfp4_is_not_cut_inside_a_block() -> None:
    with pytest.raises(ValueError, match="blocks of 16 columns, not at 24"):
        prefix(_stored("nvfp4", 8, 32), 8, 24)


def test_a_prefix_lies_within_its_weight() -> None:
    with pytest.raises(ValueError, match="9 x 32 does not lie in 8 x 32"):
        prefix(_stored("bf16", 8, 32), 9, 32)


def _stored(stored: str, rows: int, columns: int) -> Weight:
    return _round(stored, _random(rows, columns), None)


def _round(stored: str, weight: Tensor, scale: Tensor | None) -> Weight:
    match stored:
        case "fp8":
            return fp8.quantise(weight, scale)
        case "nvfp4":
            return nvfp4.quantise(weight, scale)
        case _:
            return weight


def _values(weight: Weight) -> Tensor:
    match weight:
        case Fp8Weight():
            return fp8.dequantise(weight)
        case Nvfp4Weight():
            return nvfp4.dequantise(weight)
        case Tensor():
            return weight


def _tensors(weight: Weight) -> list[Tensor]:
    match weight:
        case Fp8Weight():
            return [weight.weight]
        case Nvfp4Weight():
            return [weight.weight, weight.weight_scale]
        case Tensor():
            return [weight]


def _random(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))
