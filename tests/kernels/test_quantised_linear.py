"""Does every linear layer multiply by the quantised weight itself, row by row?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels._choice import KernelUnavailable, prefers_fbgemm
from nemotron_kernels.quantised_linear import prepare

SHAPES = [(1, 16), (33, 48), (64, 576), (576, 1536)]
# A float32 sum of k products may be off by about sqrt(k) rounding errors of the largest partial sum.
RELATIVE_TO_MAGNITUDE = 4e-7
needs_fbgemm = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="torch has no fbgemm here"
)


@pytest.fixture(params=["reference", pytest.param("cpu", marks=needs_fbgemm)])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setenv("NEMOTRON_KERNELS", name)
    return name


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("precision", ["fp8", "nvfp4"])
def test_the_product_is_that_of_the_dequantised_weight(shape: tuple[int, int], precision: str) -> None:
    values, scale, weight = _quantised(_random(*shape, seed=0), precision)
    rows = _random(5, shape[1], seed=1)
    result = prepare(values, scale.expand(shape[0]))(rows)
    _assert_is_product(result, rows, weight)


@pytest.mark.usefixtures("implementation")
def test_each_output_has_its_own_scale() -> None:
    values = torch.randint(-8, 8, (3, 32), generator=torch.Generator().manual_seed(0)).float()
    scale = torch.tensor([1.0, 0.25, 1e-3])
    rows = _random(2, 32, seed=1)
    _assert_is_product(prepare(values, scale)(rows), rows, values.double() * scale.double()[:, None])


@needs_fbgemm
@pytest.mark.parametrize("precision", ["fp8", "nvfp4"])
def test_packed_weights_are_the_values_bit_for_bit(precision: str) -> None:
    values, _, _ = _quantised(_random(96, 576, seed=3), precision)
    packed = torch.ops.quantized.linear_prepack_fp16(values, None)
    unpacked, _ = torch.ops.quantized.linear_unpack_fp16(packed)
    assert torch.equal(unpacked.float(), values)


@needs_fbgemm
def test_a_row_gets_the_same_bits_whatever_rows_are_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "cpu")
    linear = prepare(_random(960, 576, seed=0), torch.full((960,), 0.5))
    rows = _random(64, 576, seed=1)
    alone = torch.cat([linear(row[None]) for row in rows])
    for length in (2, 3, 5, 7, 13, 31, 64):
        assert torch.equal(linear(rows[:length]), alone[:length])


def test_bytes_are_those_that_the_implementation_holds(implementation: str) -> None:
    linear = prepare(torch.ones(8, 32), torch.ones(8))
    held = 2 * 16 * 512 if implementation == "cpu" else 4 * 8 * 32
    assert linear.num_bytes == held + 8 * 4


@pytest.mark.parametrize(
    ("asked", "engines", "chosen"),
    [
        (None, ["fbgemm"], True),
        (None, [], False),
        ("auto", ["qnnpack", "fbgemm"], True),
        ("auto", ["qnnpack"], False),
        ("reference", ["fbgemm"], False),
        ("cpu", ["fbgemm"], True),
    ],
)
def test_fbgemm_runs_where_it_is_unless_the_reference_is_forced(
    asked: str | None, engines: list[str], chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEMOTRON_KERNELS", raising=False)
    if asked is not None:
        monkeypatch.setenv("NEMOTRON_KERNELS", asked)
    assert prefers_fbgemm(engines) is chosen


def test_a_forced_kernel_that_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "cpu")
    with pytest.raises(KernelUnavailable, match="NEMOTRON_KERNELS=cpu needs fbgemm"):
        prefers_fbgemm(["qnnpack"])


def test_an_unknown_kernel_choice_names_the_possible_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "fast")
    with pytest.raises(ValueError, match=r"reference.*cpu.*auto.*not 'fast'"):
        prefers_fbgemm(["fbgemm"])


@needs_fbgemm
@pytest.mark.parametrize(("rows", "out", "columns"), [(1, 33, 48), (5, 64, 576)])
def test_both_of_torchs_ways_to_fbgemm_give_the_same_bits(rows: int, out: int, columns: int) -> None:
    from nemotron_kernels.quantised_linear import cpu

    if not cpu.has_older():
        pytest.skip("this torch has only the newer way")
    values, x = _random(out, columns, seed=0), _random(rows, columns, seed=1)
    assert torch.equal(cpu.older(values)(x), cpu.newer(values)(x))


def _quantised(weight: Tensor, precision: str) -> tuple[Tensor, Tensor, Tensor]:
    """Values, scale, and in float64 the weight that they stand for."""
    if precision == "fp8":
        eight = fp8.quantise(weight)
        values, scale = eight.weight.float(), eight.weight_scale
    else:
        four = nvfp4.quantise(weight)
        values, scale = nvfp4.block_values(four), four.weight_scale_2
    return values, scale, values.double() * scale.double()


def _assert_is_product(result: Tensor, rows: Tensor, weight: Tensor) -> None:
    rows, weight = rows.double(), weight.double()
    error = (result.double() - rows @ weight.T).abs()
    assert (error <= RELATIVE_TO_MAGNITUDE * (rows.abs() @ weight.abs().T)).all()


def _random(rows: int, columns: int, *, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
