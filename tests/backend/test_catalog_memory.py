"""Do the bytes that the catalog tells follow from the dimensions?"""

from nemotron_backend.catalog import Catalog
from nemotron_backend.catalog.dimensions import Attention, Dimensions, FeedForward
from nemotron_backend.catalog.memory import cache_bytes_per_token, weight_bytes
from nemotron_backend.request import PRECISIONS

CATALOG = Catalog.read()
TINY = Dimensions(
    pattern="*-",
    repeats=2,
    hidden=32,
    vocabulary=10,
    attention=Attention(query_heads=4, key_value_heads=2, head_dim=8),
    feed_forward=FeedForward(width=64, gated=True),
)


def test_layers_are_rounded_and_the_rest_is_not() -> None:
    # Queries, keys, values and output; gate, up and down; both of two layers.
    inside = 2 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 64)
    outside = 2 * 10 * 32 + 5 * 32
    found = [weight_bytes(TINY, precision) for precision in PRECISIONS]
    assert found == [2 * (inside + outside), inside + 2 * outside, inside // 2 + inside // 16 + 2 * outside]


def test_a_token_costs_its_keys_and_values_in_every_layer() -> None:
    assert cache_bytes_per_token(TINY) == 2 * 2 * 16 * 2


def test_one_gpu_of_80_gb_holds_the_70b_only_rounded() -> None:
    model = CATALOG.find("llama-3.1-nemotron-70b-instruct")
    dimensions = model.sizes[0].dimensions
    assert dimensions is not None
    bf16, fp8, nvfp4 = (weight_bytes(dimensions, precision) / 1e9 for precision in PRECISIONS)
    assert bf16 > 80 > fp8 > nvfp4
    for figure in (f"= {bf16:.0f} GB", f"FP8 takes {fp8:.1f} GB", f"leaves {80 - fp8:.1f} GB"):
        assert figure in model.needs
    assert f"NVFP4 takes {nvfp4:.1f} GB" in model.needs
    assert f"{cache_bytes_per_token(dimensions) / 1e6:.2f} MB a token" in model.needs


def test_bfloat16_takes_two_bytes_a_number() -> None:
    for size in (size for model in CATALOG.models for size in model.sizes):
        if size.dimensions is not None:
            assert weight_bytes(size.dimensions, "bf16") == 2 * size.total_parameters
