"""Does native code give the reference's products at every shape, strip and number of rows?"""

import itertools

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.grouped_experts import ExpertWeights, grouped_experts
from nemotron_kernels.native import (
    NativeCode,
    NativeLinear,
    StackedLinear,
    is_short,
    native_experts,
    native_linear,
)
from nemotron_kernels.native.build import build, cache_folder
from nemotron_kernels.native.processor import AVX2, AVX512, Variant, features, variant
from nemotron_kernels.native.weight import Weight, held
from nemotron_kernels.router import Routing

FORMATS = ("bf16", "fp8", "nvfp4")
SHAPES = [(1, 16), (3, 32), (33, 48), (64, 576), (131, 208), (8, 1536)]
# Of an output's root mean square: an input is a sum of two bfloat16 with AVX-512, and float32 with AVX2.
NOISE = {"avx512": 6e-6, "avx2": 5e-7}
RUNS_HERE = [kind for kind in (AVX2, AVX512) if kind == AVX2 or variant(features()) == AVX512]

pytestmark = pytest.mark.skipif(variant(features()) is None, reason="this processor has no AVX2")


@pytest.fixture(params=RUNS_HERE, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.fixture
def code(kind: Variant) -> NativeCode:
    return NativeCode(build(kind, cache_folder()))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stored(weight: Tensor, precision: str) -> tuple[Weight, Tensor]:
    """As a checkpoint has it, and in float64 what it stands for."""
    if precision == "fp8":
        eight = fp8.quantise(weight)
        return eight, eight.weight.double() * eight.weight_scale.double()
    if precision == "nvfp4":
        four = nvfp4.quantise(weight)
        return four, nvfp4.block_values(four).double() * four.weight_scale_2.double()
    return weight.bfloat16(), weight.bfloat16().double()


def assert_product(found: Tensor, rows: Tensor, weight: Tensor, kind: Variant) -> None:
    wanted = rows.double() @ weight.T
    size = rows.double().norm(dim=1)[:, None] * weight.norm(dim=1)
    assert bool(((found.double() - wanted).abs() <= 4 * NOISE[kind.name] * size).all())
    if wanted.numel() > 1000:
        assert float((found.double() - wanted).norm() / wanted.norm()) < NOISE[kind.name]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("precision", FORMATS)
def test_the_product_is_that_of_the_stored_weight(
    code: NativeCode, kind: Variant, shape: tuple[int, int], precision: str
) -> None:
    weight, wanted = stored(draw(*shape), precision)
    linear = native_linear(code, [weight])
    for count in (1, 2, 5, 6, 7, 33):
        rows = draw(count, shape[1], seed=1)
        assert_product(linear(rows), rows, wanted, kind)


@pytest.mark.parametrize("precision", FORMATS)
def test_a_row_gets_the_same_bits_whatever_rows_are_beside_it(code: NativeCode, precision: str) -> None:
    linear = native_linear(code, [stored(draw(131, 592), precision)[0]])
    rows = draw(40, 592, seed=1)
    alone = torch.cat([linear(row[None]) for row in rows])
    for length in (2, 3, 4, 5, 6, 7, 8, 13, 32, 40):
        assert torch.equal(linear(rows[:length]), alone[:length])


@pytest.mark.parametrize("precision", FORMATS)
def test_threads_change_no_bit(code: NativeCode, precision: str) -> None:
    linear = native_linear(code, [stored(draw(500, 128), precision)[0]])
    rows, before = draw(9, 128, seed=1), torch.get_num_threads()
    found = []
    for num_threads in (1, 3):
        torch.set_num_threads(num_threads)
        found += [linear(rows) for _ in range(20)]
    torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([(0, 24)], [(0, 64)]),
        ([(3, 24)], None),
        ([(0, 5), (8, 9), (30, 47)], [(16, 32), (48, 176), (192, 240)]),
        (None, [(0, 16), (32, 240)]),
    ],
)
def test_strips_are_read_where_they_lie(
    code: NativeCode,
    kind: Variant,
    precision: str,
    rows: list[tuple[int, int]] | None,
    columns: list[tuple[int, int]] | None,
) -> None:
    weight, wanted = stored(draw(48, 240), precision)
    whole = native_linear(code, [weight])
    assert isinstance(whole, NativeLinear)
    view = whole.cut(rows, columns)
    assert view.weight is whole.weight
    for axis, strips in enumerate((rows, columns)):
        if strips is not None:
            wanted = torch.cat([wanted.narrow(axis, a, b - a) for a, b in strips], dim=axis)
    for count in (1, 9):
        inputs = draw(count, wanted.shape[1], seed=2)
        assert_product(view(inputs), inputs, wanted, kind)


def test_an_odd_number_of_columns_reads_nothing_behind_the_last(code: NativeCode, kind: Variant) -> None:
    for precision, columns in itertools.product(("bf16", "fp8"), (1, 7, 31, 33, 65)):
        numbers = torch.full((3, columns + 64), float("nan"))
        numbers[:, :columns] = draw(3, columns)
        wide, wanted = stored(numbers[:, :columns].contiguous(), precision)
        linear = native_linear(code, [wide])
        for count in (1, 4):
            inputs = draw(count, columns, seed=1)
            assert_product(linear(inputs), inputs, wanted, kind)


def test_nvfp4_is_not_cut_inside_a_block(code: NativeCode) -> None:
    whole = native_linear(code, [nvfp4.quantise(draw(8, 64))])
    with pytest.raises(ValueError, match="between blocks of 16 columns, not at"):
        whole.cut(None, [(0, 24)])


def test_maps_of_one_input_in_several_formats_lie_end_to_end(code: NativeCode, kind: Variant) -> None:
    weights, wanted = zip(*(stored(draw(12, 64, seed=i), f) for i, f in enumerate(FORMATS)), strict=True)
    linear = native_linear(code, weights)
    assert isinstance(linear, StackedLinear)
    inputs = draw(3, 64, seed=9)
    assert_product(linear(inputs), inputs, torch.cat(wanted), kind)
    assert_product(
        linear.cut(None, [(0, 32)])(inputs[:, :32]), inputs[:, :32], torch.cat(wanted)[:, :32], kind
    )


def test_no_rows_give_no_rows(code: NativeCode) -> None:
    assert native_linear(code, [draw(8, 16)])(torch.empty(0, 16)).shape == (0, 8)


def test_inputs_of_another_width_or_type_are_refused(code: NativeCode) -> None:
    linear = native_linear(code, [draw(8, 16)])
    for wrong in (torch.zeros(1, 15), torch.zeros(1, 16, dtype=torch.float64)):
        with pytest.raises(ValueError, match="does not go through"):
            linear(wrong)


@pytest.mark.parametrize(("precision", "bytes_a_weight"), [("bf16", 2), ("fp8", 1), ("nvfp4", 0.5625)])
def test_weights_stay_as_short_as_they_are_stored(precision: str, bytes_a_weight: float) -> None:
    whole = held(stored(draw(64, 256), precision)[0])
    row_scales = 0 if whole.row_scale is None else whole.row_scale.nbytes
    assert whole.num_bytes - row_scales == 64 * 256 * bytes_a_weight


def test_what_bfloat16_would_round_is_not_short() -> None:
    assert is_short(torch.tensor([[0.5, -3.0]]))
    assert not is_short(torch.tensor([[0.1]]))


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("tokens", [1, 2, 9])
def test_experts_give_what_the_reference_gives(code: NativeCode, precision: str, tokens: int) -> None:
    ups, downs = draw(6, 48, 32), draw(6, 32, 48, seed=1)
    up, up_values = zip(*(stored(own, precision) for own in ups), strict=True)
    down, down_values = zip(*(stored(own, precision) for own in downs), strict=True)
    generator = torch.Generator().manual_seed(2)
    routing = Routing(
        experts=torch.stack([torch.randperm(6, generator=generator)[:3] for _ in range(tokens)]),
        weights=torch.rand(tokens, 3, generator=generator),
    )
    rows = draw(tokens, 32, seed=3)
    native = native_experts(code, up), native_experts(code, down)
    wide = [ExpertWeights(torch.stack(values).float()) for values in (up_values, down_values)]
    found = grouped_experts(rows, routing, *native)
    wanted = grouped_experts(rows, routing, *wide)
    assert float((found - wanted).norm() / wanted.norm()) < 2e-5
    alone = [
        grouped_experts(rows[t : t + 1], Routing(experts=e[None], weights=w[None]), *native)
        for t, (e, w) in enumerate(zip(routing.experts, routing.weights, strict=True))
    ]
    assert torch.equal(torch.cat(alone), found)


def test_a_nested_size_sees_the_first_experts_rows_and_columns(code: NativeCode) -> None:
    ups = [stored(own, "nvfp4")[0] for own in draw(4, 48, 64)]
    downs = [stored(own, "nvfp4")[0] for own in draw(4, 64, 48, seed=1)]
    up, down = native_experts(code, ups), native_experts(code, downs)
    routing = Routing(experts=torch.tensor([[2, 0], [1, 2]]), weights=torch.ones(2, 2))
    rows = draw(2, 32, seed=2)
    found = grouped_experts(rows, routing, up.cut(3, 32, 32), down.cut(3, 32, 32))
    values = [
        torch.stack([nvfp4.dequantise(w)[:32, :32] for w in stack[:3] if isinstance(w, nvfp4.Nvfp4Weight)])
        for stack in (ups, downs)
    ]
    wanted = grouped_experts(rows, routing, *map(ExpertWeights, values))
    assert float((found - wanted).norm() / wanted.norm()) < 2e-5
