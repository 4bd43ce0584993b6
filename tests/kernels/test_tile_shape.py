"""Do tiles keep a GPU busy, and fit it?"""

import pytest

from nemotron_kernels.quantised_linear.tile.shape import splits_for, tile_for

# Nano's in_proj, out_proj and head, Super's in_proj: rows and columns.
LAYERS = [(10304, 2688), (2688, 4096), (131072, 2688), (18560, 4096)]


@pytest.mark.parametrize(("num_rows", "num_columns"), LAYERS)
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_a_decoding_layer_uses_four_fifths_of_the_multiprocessors(
    num_rows: int, num_columns: int, bits: int
) -> None:
    tile = tile_for(1, num_rows, num_columns, bits)
    programs = -(-num_rows // tile.rows) * tile.splits
    rounds = -(-programs // 132)
    assert programs / (132 * rounds) >= 0.8


@pytest.mark.parametrize(("num_rows", "num_columns"), LAYERS)
def test_every_share_has_steps_enough_to_fill_its_pipeline(num_rows: int, num_columns: int) -> None:
    tile = tile_for(1, num_rows, num_columns, 4)
    assert num_columns // tile.columns // tile.splits >= tile.num_stages


def test_many_rows_are_not_split() -> None:
    assert tile_for(1, 131072, 2688, 4).splits == 1


def test_a_layer_of_few_rows_and_steps_is_split_as_far_as_it_goes() -> None:
    assert splits_for(2, 8) == 2
    assert splits_for(2, 3) == 1


def test_many_tokens_take_square_tiles() -> None:
    tile = tile_for(8192, 10304, 2688, 8)
    assert (tile.tokens, tile.rows, tile.splits) == (128, 128, 1)
