"""Are the floors those that bytes and operations give?"""

import pytest

from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.floors import CARDS, Call, Load, floors_of, step_of
from nemotron_backend.floors.__main__ import main
from nemotron_backend.floors.card import H100
from nemotron_backend.floors.dense import sampler_call
from nemotron_backend.floors.hybrid import distinct_experts, scan
from nemotron_backend.floors.illustrations import illustrate
from nemotron_backend.request import Precision

NANO, SUPER = "nemotron-3-nano-30b-a3b", "nemotron-3-super-120b-a12b"
ELASTIC = "nemotron-labs-3-elastic-30b-a3b"
DIFFUSION_8B, DIFFUSION_14B = "nemotron-labs-diffusion-8b", "nemotron-labs-diffusion-14b"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.read()


def _dimensions(model: Model) -> Dimensions:
    dimensions = model.sizes[0].dimensions
    assert dimensions is not None
    return dimensions


# Worked out by hand from the same rules: gigabytes, milliseconds and tokens per second on H100, then B200.
@pytest.mark.parametrize(
    ("name", "precision", "batch", "expected"),
    [
        (NANO, "bf16", 1, (6.59, 2.20, 455, 0.82, 1213)),
        (NANO, "bf16", 64, (67.64, 22.55, 2839, 8.46, 7569)),
        (NANO, "fp8", 1, (3.87, 1.29, 775, 0.48, 2068)),
        (NANO, "fp8", 64, (38.28, 12.76, 5016, 4.78, 13376)),
        (NANO, "nvfp4", 1, (2.68, 0.89, 1121, 0.33, 2990)),
        (NANO, "nvfp4", 64, (25.43, 8.48, 7550, 3.18, 20134)),
        (SUPER, "bf16", 1, (25.01, 8.34, 120, 3.13, 320)),
        (SUPER, "fp8", 1, (14.02, 4.67, 214, 1.75, 571)),
        (SUPER, "nvfp4", 1, (9.21, 3.07, 326, 1.15, 868)),
        (SUPER, "nvfp4", 64, (89.65, 29.88, 2142, 11.21, 5711)),
    ],
)
def test_a_decode_step_has_the_floor_of_its_bytes(
    catalog: Catalog, name: str, precision: Precision, batch: int, expected: tuple[float, ...]
) -> None:
    step = step_of(_dimensions(catalog.find(name)), Load(precision=precision, batch=batch))
    figures = [step.num_bytes / 1e9]
    for card in CARDS:
        figures += [1e3 * step.seconds(card), step.tokens_per_second(card)]
    assert figures == pytest.approx(expected, rel=2e-3, abs=0.01)


def test_a_half_wide_state_and_cache_save_their_bytes(catalog: Catalog) -> None:
    step = step_of(_dimensions(catalog.find(NANO)), Load(precision="nvfp4", batch=64, state=2, cache=1))
    assert step.num_bytes / 1e9 == pytest.approx(21.54, abs=0.01)
    assert step.tokens_per_second(H100) == pytest.approx(8915, abs=2)


@pytest.mark.parametrize(
    ("size", "precision", "batch", "tokens_per_second"),
    [
        ("23b", "bf16", 1, 576),
        ("23b", "nvfp4", 64, 9052),
        ("12b", "bf16", 64, 6197),
        ("12b", "nvfp4", 1, 1882),
    ],
)
def test_illustrated_sizes_have_floors_too(
    catalog: Catalog, size: str, precision: Precision, batch: int, tokens_per_second: float
) -> None:
    dimensions = illustrate(_dimensions(catalog.find(ELASTIC)), size)
    assert dimensions is not None
    step = step_of(dimensions, Load(precision=precision, batch=batch))
    assert step.tokens_per_second(H100) == pytest.approx(tokens_per_second, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "gigabytes", "teraflop", "milliseconds"),
    [(DIFFUSION_8B, 16.48, 0.58, 5.49), (DIFFUSION_14B, 26.34, 0.91, 8.78)],
)
def test_a_block_costs_what_one_token_costs(
    catalog: Catalog, name: str, gigabytes: float, teraflop: float, milliseconds: float
) -> None:
    dimensions = _dimensions(catalog.find(name))
    block, token = step_of(dimensions, Load(tokens=32)), step_of(dimensions, Load())
    assert block.num_bytes / 1e9 == pytest.approx(gigabytes, abs=0.01)
    assert block.operations / 1e12 == pytest.approx(teraflop, abs=0.005)
    assert 1e3 * block.seconds(H100) == pytest.approx(milliseconds, abs=0.005)
    assert block.seconds(H100) == pytest.approx(token.seconds(H100), rel=1e-3)


def test_modes_count_the_published_tokens_a_forward(catalog: Catalog) -> None:
    """Self-speculation spends two forwards on the tokens of one cycle."""
    floors = {
        floor.decode: floor.tokens_per_second
        for floor in floors_of(catalog.find(DIFFUSION_8B))
        if floor.card == "H100" and floor.batch == 1
    }
    expected = {"autoregressive": 182, "diffusion": 468, "self-speculation": 545}
    assert floors == pytest.approx(expected, abs=0.6)


# Megabytes, operations in millions and the H100's microseconds of one call.
@pytest.mark.parametrize(
    ("precision", "batch", "name", "expected"),
    [
        ("nvfp4", 1, "in_proj 10304x2688", (15.606, 55.39, 5.20)),
        ("nvfp4", 64, "in_proj 10304x2688", (17.24, 3545, 5.75)),
        ("bf16", 64, "out_proj 2688x4096", (22.89, 1409, 7.63)),
        ("nvfp4", 1, "shared up 3712x2688", (5.625, 19.96, 1.88)),
        ("nvfp4", 64, "lm_head 131072x2688", (721.76, 45097, 240.59)),
        ("bf16", 1, "qkv_proj 4608x2688", (24.787, 24.77, 8.26)),
        ("nvfp4", 64, "up, squared ReLU, 122 of 128", (344.34, 3831, 114.78)),
        ("fp8", 1, "down, weighted sum, 6 of 128", (29.961, 59.87, 9.99)),
        ("bf16", 64, "up, squared ReLU, 122 of 128", (1219.80, 3831, 406.60)),
        ("bf16", 64, "6 of 128", (1.72, 44, 0.57)),
        ("bf16", 64, "6144 channels", (6.35, 5, 2.12)),
        ("bf16", 64, "64x64x128, 32 bits", (269.75, 168, 89.92)),
        ("bf16", 64, "8 groups of 512", (1.58, 2, 0.53)),
        ("bf16", 64, "1 queries, 4096 cached, 16 bits", (269.48, 4295, 89.83)),
    ],
)
def test_an_op_has_the_floor_of_its_own_bytes(
    catalog: Catalog, precision: Precision, batch: int, name: str, expected: tuple[float, float, float]
) -> None:
    step = step_of(_dimensions(catalog.find(NANO)), Load(precision=precision, batch=batch))
    assert _figures(next(call for call in step.calls if call.name == name)) == pytest.approx(
        expected, rel=1e-3, abs=0.5
    )


def test_ops_of_a_block_have_floors(catalog: Catalog) -> None:
    load = Load(tokens=32)
    calls = {call.name: call for call in step_of(_dimensions(catalog.find(DIFFUSION_8B)), load).calls}
    assert calls["gate and up 28672x4096"].num_bytes / 1e6 == pytest.approx(236.06, abs=0.01)
    attention = calls["32 queries, 4096 cached, 16 bits"]
    assert _figures(attention) == pytest.approx((17.43, 2164, 5.81), rel=1e-3)
    assert _figures(sampler_call(131_072, load)) == pytest.approx((16.78, 21, 5.59), rel=2e-3)


def test_a_scan_computes_what_its_chunks_need(catalog: Catalog) -> None:
    mamba = _dimensions(catalog.find(NANO)).mamba
    assert mamba is not None
    assert scan(mamba, 8192).operations / 1e9 == pytest.approx(27.9, abs=0.05)
    assert scan(mamba, 8192, chunk=256).operations / 1e9 == pytest.approx(38.7, abs=0.05)


def _figures(call: Call) -> tuple[float, float, float]:
    return call.num_bytes / 1e6, call.operations / 1e6, 1e6 * H100.seconds(call.num_bytes, call.operations)


def test_one_token_visits_its_own_experts_and_many_visit_nearly_all(catalog: Catalog) -> None:
    experts = _dimensions(catalog.find(SUPER)).experts
    assert experts is not None
    assert distinct_experts(experts, 1) == pytest.approx(22)
    assert distinct_experts(experts, 64) == pytest.approx(481.20, abs=0.01)


def test_every_product_of_a_network_is_counted(catalog: Catalog) -> None:
    """Of the weights that work for a token, the embedding's rows and the vectors alone are left out."""
    for model in catalog.models:
        for size in model.sizes:
            if size.dimensions is None or size.total_parameters < 10**9:
                continue
            step = step_of(size.dimensions, Load())
            products = step.weights - sum(
                call.weights / 2 * call.count for call in step.calls if call.op == "router"
            )
            embedding = size.dimensions.vocabulary * size.dimensions.hidden
            assert products / 2 == pytest.approx(size.active_parameters - embedding, rel=2e-3), model.id


def test_unknown_dimensions_have_no_floor(catalog: Catalog) -> None:
    assert {floor.size for floor in floors_of(catalog.find(ELASTIC))} == {"30b"}


def test_a_model_that_draws_no_tokens_has_no_floor(catalog: Catalog) -> None:
    assert floors_of(catalog.find("nemotron-4-340b-reward")) == ()


def test_the_command_prints_forwards_and_ops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([DIFFUSION_8B]) == 0
    printed = capsys.readouterr().out
    assert "calculated, not measured" in printed
    assert "forward 16.48 GB, 583 GFLOP: H100 5.49 ms, 182 tokens/s" in printed
    assert "diffusion at 2.57 tokens a forward, bf16, H100: 468 tokens/s" in printed
    assert "32 positions of 131072" in printed


def test_the_command_refuses_a_name_that_the_catalog_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-model"]) == 1
    assert "no-such-model" in capsys.readouterr().err
