"""How does a GPU run a linear layer, whatever its weight is stored as?"""

import torch
from torch import Tensor

from nemotron_kernels.fp8.kernel import quantise as quantise_fp8
from nemotron_kernels.fp8.reference import Fp8Weight
from nemotron_kernels.nvfp4.kernel import quantise as quantise_nvfp4
from nemotron_kernels.nvfp4.reference import Nvfp4Weight
from nemotron_kernels.quantised_linear.block_scaled.kernel import launch as launch_block_scaled
from nemotron_kernels.quantised_linear.four_bit.kernel import launch as launch_four_bit
from nemotron_kernels.quantised_linear.reference import Weight, shape_of
from nemotron_kernels.quantised_linear.support import capability_of, refuse_w4a4, refuse_w8a8
from nemotron_kernels.quantised_linear.tile.call import Call
from nemotron_kernels.quantised_linear.tile.kernel import add_splits
from nemotron_kernels.quantised_linear.tile.shape import BLOCK_SCALED_ROWS, FLOAT32, ROWS, Tile, tile_for
from nemotron_kernels.quantised_linear.wide.kernel import launch as launch_wide


def linear(
    x: Tensor,
    weight: Weight,
    input_scale: Tensor | None = None,
    limits: Tensor | None = None,
    *,
    tile: Tile | None = None,
    out: Tensor | None = None,
) -> Tensor:
    num_rows, num_columns = shape_of(weight)
    out = x.new_empty(*x.shape[:-1], num_rows) if out is None else out
    if not out.numel():
        return out
    out_rows = out.view(-1, num_rows)
    x_rows = (x if x.stride(-1) == 1 else x.contiguous()).reshape(len(out_rows), num_columns)
    tile = tile or _tile(x_rows, weight, input_scale)
    target = out_rows[None]
    if tile.splits > 1:
        target = torch.empty(tile.splits, *out_rows.shape, device=x.device)
    _launch(
        Call(num_columns=num_columns, limits=limits, target=target, tile=tile), x_rows, weight, input_scale
    )
    if tile.splits > 1:
        add_splits(target, out_rows)
    return out


def _launch(call: Call, x: Tensor, weight: Weight, input_scale: Tensor | None) -> None:
    match weight:
        case Nvfp4Weight() if input_scale is None:
            launch_four_bit(call, x, weight)
        case Nvfp4Weight():
            refuse_w4a4(capability_of(x))
            launch_block_scaled(call, quantise_nvfp4(x, input_scale), weight)
        case Fp8Weight() if input_scale is None:
            launch_wide(call, x, weight.weight, weight.weight_scale, None)
        case Fp8Weight():
            refuse_w8a8(capability_of(x))
            launch_wide(
                call, quantise_fp8(x, input_scale).weight, weight.weight, weight.weight_scale, input_scale
            )
        case Tensor():
            launch_wide(call, x, weight, None, None)


def _tile(x: Tensor, weight: Weight, input_scale: Tensor | None) -> Tile:
    if x.dtype == torch.float32 and input_scale is None:
        return FLOAT32
    is_block_scaled = isinstance(weight, Nvfp4Weight) and input_scale is not None
    rows = BLOCK_SCALED_ROWS if is_block_scaled else ROWS
    return tile_for(len(x), *shape_of(weight), _bits(weight), rows)


def _bits(weight: Weight) -> int:
    match weight:
        case Nvfp4Weight():
            return 4
        case Fp8Weight():
            return 8
        case Tensor():
            return 8 * weight.itemsize
