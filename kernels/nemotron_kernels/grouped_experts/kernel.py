# pyright: basic, reportArgumentType=false
"""How does a GPU send rows through experts of any precision, and sum a token's in one fixed order?

A product is computed as its transpose, weights times rows: a tensor core takes 64 rows of its first operand
and as few as 16 columns of its second, and it is the rows of an expert that are few. Codes become numbers
in registers on their way; codes of FP8 and codes of NVFP4 times their block's scale are exact in bfloat16.
Inputs of NVFP4 weights are read two at a time, for what one byte holds.

A few tokens visit almost as many experts as they have visits: each visit then is a tile of its own, nothing
is sorted, and the second product sums over a token's experts itself (two launches). Otherwise rows are
grouped, the second product writes every visit's part, and a last launch sums them (four launches).
Neither uses atomics, so a token's result does not depend on chance.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._decode import e4m3_value
from nemotron_kernels.expert_groups import kernel as expert_groups
from nemotron_kernels.grouped_experts.arguments import Held, Map, arguments, config_for, wide
from nemotron_kernels.quantised_linear.four_bit.assembly import LEFT
from nemotron_kernels.quantised_linear.four_bit.kernel import halves, scaled_codes
from nemotron_kernels.router import Routing

# Up to so many tokens go without groups: 4 of Nano's visit 22.4 different experts 24 times on average.
_FEW_TOKENS = 4

_LEFT = tl.constexpr(LEFT)


@triton.jit
def _add_four_bits(
    total,
    pair_ptr,
    source,
    is_source,
    weight_ptr,
    block_scale_ptr,
    row,
    first,
    num_rows,
    num_columns,
    stride_pair,
    stride_row,
    stride_block_row,
    KIND: tl.constexpr,
    INTERPRETED: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Add columns of NVFP4 from `first` on, the even and the odd ones apart, as a byte holds one of each."""
    pair, block = first // 2 + tl.arange(0, BLOCK_K // 2), first // 16 + tl.arange(0, BLOCK_K // 16)
    is_row, is_pair, is_block = row < num_rows, pair < num_columns // 2, block < num_columns // 16
    pair_at = pair_ptr + source[None, :] * stride_pair + pair[:, None]
    pairs = tl.load(pair_at, mask=is_source[None, :] & is_pair[:, None], other=0)
    code_at = weight_ptr + row[:, None] * stride_row + pair[None, :]
    codes = tl.load(code_at, mask=is_row[:, None] & is_pair[None, :], other=0)
    scale_at = block_scale_ptr + row[:, None] * stride_block_row + block[None, :]
    scales = tl.load(scale_at, mask=is_row[:, None] & is_block[None, :], other=0)
    even, odd = scaled_codes(codes, scales, KIND, INTERPRETED)
    x_even, x_odd = halves(pairs, KIND)
    total = tl.dot(even, _operand(x_even, KIND, INTERPRETED), acc=total, input_precision="tf32x3")
    return tl.dot(odd, _operand(x_odd, KIND, INTERPRETED), acc=total, input_precision="tf32x3")


@triton.jit
def _operand(x, KIND: tl.constexpr, INTERPRETED: tl.constexpr):
    """What is multiplied. The interpreter's bfloat16 product is wrong, so it gets float32."""
    if INTERPRETED or KIND == "f32":
        return x.to(tl.float32)
    return x.to(tl.bfloat16 if KIND == "bf16" else tl.float16)


@triton.jit
def _multiply(
    x_ptr,
    source,
    is_source,
    weight_ptr,
    block_scale_ptr,
    row,
    num_rows,
    num_columns,
    stride_x,
    stride_row,
    stride_block_row,
    FORMAT: tl.constexpr,
    KIND: tl.constexpr,
    INTERPRETED: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    TILE: tl.constexpr,
):
    """Weights times the rows `source` of x, [BLOCK_N, TILE], before the scale of the weights' rows."""
    total = tl.zeros((BLOCK_N, TILE), tl.float32)
    for first in range(0, num_columns, BLOCK_K):
        if FORMAT == "nvfp4":
            total = _add_four_bits(
                total, x_ptr, source, is_source, weight_ptr, block_scale_ptr, row, first,
                num_rows, num_columns, stride_x, stride_row, stride_block_row, KIND, INTERPRETED, BLOCK_K,
            )  # fmt: skip
        else:
            column = first + tl.arange(0, BLOCK_K)
            is_column = column < num_columns
            x_at = x_ptr + source[None, :] * stride_x + column[:, None]
            x = tl.load(x_at, mask=is_source[None, :] & is_column[:, None], other=0.0)
            weight_at = weight_ptr + row[:, None] * stride_row + column[None, :]
            codes = tl.load(weight_at, mask=(row < num_rows)[:, None] & is_column[None, :], other=0)
            values = e4m3_value(codes) if FORMAT == "fp8" else codes
            values, x = _operand(values, KIND, INTERPRETED), _operand(x, KIND, INTERPRETED)
            total = tl.dot(values, x, acc=total, input_precision="tf32x3")
    if FORMAT == "nvfp4":
        total *= _LEFT
    return total


@triton.jit
def product(
    x_ptr,
    weight_ptr,
    block_scale_ptr,
    scale_ptr,
    routing_ptr,
    rows_ptr,
    experts_ptr,
    out_ptr,
    num_rows,
    num_columns,
    chosen,
    stride_x,
    stride_expert,
    stride_row,
    stride_block_expert,
    stride_block_row,
    stride_scale_expert,
    stride_scale_row,
    stride_out,
    IS_UP: tl.constexpr,
    IS_GROUPED: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    FORMAT: tl.constexpr,
    KIND: tl.constexpr,
    INTERPRETED: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    TILE: tl.constexpr,
):
    """Up: visits of tokens become hidden places. Down: hidden places become parts of a token's sum."""
    tile = tl.program_id(1)
    expert = tl.load(experts_ptr + tile).to(tl.int64)
    if expert < 0:
        return
    lane = tl.arange(0, TILE)
    place = tile.to(tl.int64) * TILE + lane
    if IS_GROUPED:
        visit = tl.load(rows_ptr + place).to(tl.int64)
    else:
        place = tile.to(tl.int64) + 0 * lane
        visit = tl.where(lane == 0, place, -1)
    is_visit = visit >= 0
    row = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    source = place
    if IS_UP:
        source = visit // chosen
    total = _multiply(
        x_ptr, source, is_visit, weight_ptr + expert * stride_expert,
        block_scale_ptr + expert * stride_block_expert, row, num_rows, num_columns,
        stride_x, stride_row, stride_block_row, FORMAT, KIND, INTERPRETED, BLOCK_N, BLOCK_K, TILE,
    )  # fmt: skip
    if HAS_SCALE:
        scale_at = scale_ptr + expert * stride_scale_expert + row * stride_scale_row
        total *= tl.load(scale_at, mask=row < num_rows, other=0.0)[:, None]
    if IS_UP:
        target = place
        total = tl.maximum(total, 0.0)
        total *= total
    else:
        target = visit
        total *= tl.load(routing_ptr + visit, mask=is_visit, other=0.0)[None, :]
    out_at = out_ptr + target[None, :] * stride_out + row[:, None]
    tl.store(out_at, total, mask=is_visit[None, :] & (row < num_rows)[:, None])


@triton.jit
def down_and_sum(
    hidden_ptr,
    weight_ptr,
    block_scale_ptr,
    scale_ptr,
    routing_ptr,
    experts_ptr,
    out_ptr,
    num_rows,
    num_columns,
    chosen,
    stride_hidden,
    stride_expert,
    stride_row,
    stride_block_expert,
    stride_block_row,
    stride_scale_expert,
    stride_scale_row,
    stride_out,
    HAS_SCALE: tl.constexpr,
    FORMAT: tl.constexpr,
    KIND: tl.constexpr,
    INTERPRETED: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    TILE: tl.constexpr,
):
    """One token's sum over its experts, in the order in which the router named them."""
    token = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    lane = tl.arange(0, TILE)
    sum_of_parts = tl.zeros((BLOCK_N, TILE), tl.float32)
    for slot in range(chosen):
        visit = token * chosen + slot
        expert = tl.load(experts_ptr + visit).to(tl.int64)
        part = _multiply(
            hidden_ptr, visit + 0 * lane, lane == 0, weight_ptr + expert * stride_expert,
            block_scale_ptr + expert * stride_block_expert, row, num_rows, num_columns,
            stride_hidden, stride_row, stride_block_row, FORMAT, KIND, INTERPRETED, BLOCK_N, BLOCK_K, TILE,
        )  # fmt: skip
        if HAS_SCALE:
            scale_at = scale_ptr + expert * stride_scale_expert + row * stride_scale_row
            part *= tl.load(scale_at, mask=row < num_rows, other=0.0)[:, None]
        sum_of_parts += part * tl.load(routing_ptr + visit)
    out_at = out_ptr + token * stride_out + row[:, None] + 0 * lane[None, :]
    tl.store(out_at, sum_of_parts, mask=(row < num_rows)[:, None] & (lane == 0)[None, :])


@triton.jit
def sum_parts(parts_ptr, out_ptr, num_columns, chosen, stride_out, BLOCK_C: tl.constexpr):
    """Every token's parts, in the order in which the router named their experts."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_C,), tl.float32)
    for slot in range(chosen):
        at = parts_ptr + (token * chosen + slot) * num_columns + column
        total += tl.load(at, mask=column < num_columns, other=0.0).to(tl.float32)
    tl.store(out_ptr + token * stride_out + column, total, mask=column < num_columns)


def grouped_experts(x: Tensor, routing: Routing, up: Held, down: Held) -> Tensor:
    """Send `x` [tokens, in] through its experts."""
    out = torch.empty(len(x), arguments(down).num_rows, dtype=x.dtype, device=x.device)
    return experts_into(out, x, routing, up, down)


def experts_into(out: Tensor, x: Tensor, routing: Routing, up: Held, down: Held) -> Tensor:
    """The same into memory that is there."""
    if not len(x):
        return out
    layers = arguments(up), arguments(down)
    return (_few if len(x) <= _FEW_TOKENS else _many)(out, x, routing, layers)


def _few(out: Tensor, x: Tensor, routing: Routing, layers: tuple[Map, Map]) -> Tensor:
    (up, down), (tokens, chosen) = layers, routing.experts.shape
    experts, weights = routing.experts.contiguous(), routing.weights.contiguous()
    hidden = torch.empty(tokens * chosen, up.num_rows, dtype=wide(x.dtype), device=x.device)
    config, source, wide_source = config_for(1), up.read(x), down.read(hidden)
    product[(triton.cdiv(up.num_rows, config["BLOCK_N"]), tokens * chosen)](
        source, *up.pointers, weights, None, experts, hidden, up.num_rows, up.num_columns, chosen,
        source.stride(0), *up.strides, hidden.stride(0),
        IS_UP=True, IS_GROUPED=False, **up.constants(x.dtype), **config,
    )  # fmt: skip
    down_and_sum[(triton.cdiv(down.num_rows, config["BLOCK_N"]), tokens)](
        wide_source, *down.pointers, weights, experts, out, down.num_rows, down.num_columns, chosen,
        wide_source.stride(0), *down.strides, out.stride(0), **down.constants(hidden.dtype), **config,
    )  # fmt: skip
    return out


def _many(out: Tensor, x: Tensor, routing: Routing, layers: tuple[Map, Map]) -> Tensor:
    (up, down), (tokens, chosen) = layers, routing.experts.shape
    num_experts, weights = len(up.pointers[0]), routing.weights.contiguous()
    config = config_for(tokens * chosen // num_experts)
    groups = expert_groups.group_by_expert(routing.experts, num_experts, config["TILE"])
    hidden = torch.empty(len(groups.rows), up.num_rows, dtype=wide(x.dtype), device=x.device)
    parts = torch.empty(tokens * chosen, down.num_rows, dtype=wide(x.dtype), device=x.device)
    for rows, layer, target, is_up in ((x, up, hidden, True), (hidden, down, parts, False)):
        source = layer.read(rows)
        product[(triton.cdiv(layer.num_rows, config["BLOCK_N"]), len(groups.experts))](
            source, *layer.pointers, weights, groups.rows, groups.experts, target,
            layer.num_rows, layer.num_columns, chosen, source.stride(0), *layer.strides, target.stride(0),
            IS_UP=is_up, IS_GROUPED=True, **layer.constants(rows.dtype), **config,
        )  # fmt: skip
    block_c = min(1024, triton.next_power_of_2(down.num_rows))
    sum_parts[(tokens, triton.cdiv(down.num_rows, block_c))](
        parts, out, down.num_rows, chosen, out.stride(0), BLOCK_C=block_c
    )
    return out
