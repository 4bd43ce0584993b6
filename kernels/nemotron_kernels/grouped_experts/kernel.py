# pyright: basic, reportArgumentType=false
"""How does a GPU send rows through experts of any precision, and sum a token's in one fixed order?

A product is computed as its transpose, weights times rows: a tensor core takes 64 rows of its first operand
and as few as 16 columns of its second, and it is the rows of an expert that are few. Codes become numbers
in registers on their way; codes of FP8 and codes of NVFP4 times their block's scale are exact in bfloat16.

A few tokens visit almost as many experts as they have visits: each visit then is a tile of its own, nothing
is sorted, and the second product sums over a token's experts itself (two launches). Otherwise rows are
grouped, the second product writes every visit's part, and a last launch sums them (four launches).
Neither uses atomics, so a token's result does not depend on chance.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._decode import e2m1_value, e4m3_value
from nemotron_kernels.expert_groups import kernel as expert_groups
from nemotron_kernels.grouped_experts.arguments import Held, Map, arguments, config_for, dot_type, wide
from nemotron_kernels.router import Routing

# Up to so many tokens go without groups: 4 of Nano's visit 22.4 different experts 24 times on average.
_FEW_TOKENS = 4


@triton.jit
def _weights(
    weight_ptr,
    block_scale_ptr,
    row,
    first,
    num_rows,
    num_columns,
    stride_row,
    stride_block_row,
    FORMAT: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """The weights [BLOCK_N, BLOCK_K] of one expert from column `first` on, before the scale of their rows."""
    is_row = row < num_rows
    if FORMAT == "nvfp4":
        block, byte = first // 16 + tl.arange(0, BLOCK_K // 16), tl.arange(0, 8)
        is_block = is_row[:, None] & (block * 16 < num_columns)[None, :]  # [BLOCK_N, BLOCK_K / 16]
        at = row[:, None, None] * stride_row + block[None, :, None] * 8 + byte[None, None, :]
        codes = tl.load(weight_ptr + at, mask=is_block[:, :, None], other=0)
        scale_at = block_scale_ptr + row[:, None] * stride_block_row + block[None, :]
        scale = e4m3_value(tl.load(scale_at, mask=is_block, other=0))
        values = tl.interleave(e2m1_value(codes), e2m1_value(codes >> 4)) * scale[:, :, None]
        numbers = tl.reshape(values.to(DOT), (BLOCK_N, BLOCK_K))
    else:
        column = first + tl.arange(0, BLOCK_K)
        is_weight = is_row[:, None] & (column < num_columns)[None, :]
        codes = tl.load(weight_ptr + row[:, None] * stride_row + column[None, :], mask=is_weight, other=0)
        numbers = e4m3_value(codes).to(DOT) if FORMAT == "fp8" else codes.to(DOT)
    return numbers


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
    DOT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    TILE: tl.constexpr,
):
    """Weights times the rows `source` of x, [BLOCK_N, TILE]."""
    total = tl.zeros((BLOCK_N, TILE), tl.float32)
    for first in range(0, num_columns, BLOCK_K):
        column = first + tl.arange(0, BLOCK_K)
        x_at = x_ptr + source[None, :] * stride_x + column[:, None]
        x = tl.load(x_at, mask=is_source[None, :] & (column < num_columns)[:, None], other=0.0)
        numbers = _weights(
            weight_ptr, block_scale_ptr, row, first, num_rows, num_columns, stride_row, stride_block_row,
            FORMAT, DOT, BLOCK_N, BLOCK_K,
        )  # fmt: skip
        total = tl.dot(numbers, x.to(DOT), acc=total, input_precision="tf32x3")
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
    DOT: tl.constexpr,
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
        stride_x, stride_row, stride_block_row, FORMAT, DOT, BLOCK_N, BLOCK_K, TILE,
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
    DOT: tl.constexpr,
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
            stride_hidden, stride_row, stride_block_row, FORMAT, DOT, BLOCK_N, BLOCK_K, TILE,
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
    config = config_for(1)
    block_n = config["BLOCK_N"]
    product[(triton.cdiv(up.num_rows, block_n), tokens * chosen)](
        x, *up.pointers, weights, None, experts, hidden, up.num_rows, up.num_columns, chosen,
        x.stride(0), *up.strides, hidden.stride(0),
        IS_UP=True, IS_GROUPED=False, HAS_SCALE=up.pointers[2] is not None, FORMAT=up.format,
        DOT=dot_type(x.dtype), **config,
    )  # fmt: skip
    down_and_sum[(triton.cdiv(down.num_rows, block_n), tokens)](
        hidden, *down.pointers, weights, experts, out, down.num_rows, down.num_columns, chosen,
        hidden.stride(0), *down.strides, out.stride(0),
        HAS_SCALE=down.pointers[2] is not None, FORMAT=down.format, DOT=dot_type(hidden.dtype), **config,
    )  # fmt: skip
    return out


def _many(out: Tensor, x: Tensor, routing: Routing, layers: tuple[Map, Map]) -> Tensor:
    (up, down), (tokens, chosen) = layers, routing.experts.shape
    num_experts, weights = len(up.pointers[0]), routing.weights.contiguous()
    config = config_for(tokens * chosen // num_experts)
    block_n = config["BLOCK_N"]
    groups = expert_groups.group_by_expert(routing.experts, num_experts, config["TILE"])
    hidden = torch.empty(len(groups.rows), up.num_rows, dtype=wide(x.dtype), device=x.device)
    parts = torch.empty(tokens * chosen, down.num_rows, dtype=wide(x.dtype), device=x.device)
    steps = ((x, up, hidden, True), (hidden, down, parts, False))
    for source, layer, target, is_up in steps:
        product[(triton.cdiv(layer.num_rows, block_n), len(groups.experts))](
            source, *layer.pointers, weights, groups.rows, groups.experts, target,
            layer.num_rows, layer.num_columns, chosen, source.stride(0), *layer.strides, target.stride(0),
            IS_UP=is_up, IS_GROUPED=True, HAS_SCALE=layer.pointers[2] is not None, FORMAT=layer.format,
            DOT=dot_type(source.dtype), **config,
        )  # fmt: skip
    block_c = min(1024, triton.next_power_of_2(down.num_rows))
    sum_parts[(tokens, triton.cdiv(down.num_rows, block_c))](
        parts, out, down.num_rows, chosen, out.stride(0), BLOCK_C=block_c
    )
    return out
