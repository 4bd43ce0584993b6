# pyright: basic, reportArgumentType=false
"""How does a GPU score every expert in float32 and choose, in two launches?

The product is split along the hidden axis too, since at a few tokens the experts alone give too few programs
to read the weight fast; the choice adds the parts in one order. A last program that chooses as soon as
all parts are there would save the second launch, and needs a counter in memory that somebody has to clear.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels.router.reference import Routing, RoutingRule

_BLOCK_T, _BLOCK_E, _BLOCK_K = 16, 16, 64
# 8 experts' tiles of Nano in 8 parts, or 32 of Super's: 64 and 256 programs a tile of tokens.
_PARTS = 8


@triton.jit
def _score(
    x_ptr,
    weight_ptr,
    parts_ptr,
    num_tokens,
    num_experts,
    num_columns,
    part_columns,
    stride_x,
    stride_weight,
    BLOCK_T: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    token = tl.program_id(0) * BLOCK_T + tl.arange(0, BLOCK_T)
    expert = tl.program_id(1) * BLOCK_E + tl.arange(0, BLOCK_E)
    start = tl.program_id(2) * part_columns
    stop = tl.minimum(start + part_columns, num_columns)
    is_token, is_expert = token < num_tokens, expert < num_experts
    x_at = x_ptr + token.to(tl.int64)[:, None] * stride_x
    weight_at = weight_ptr + expert.to(tl.int64)[:, None] * stride_weight
    logits = tl.zeros((BLOCK_T, BLOCK_E), tl.float32)
    for first in range(start, stop, BLOCK_K):
        column = first + tl.arange(0, BLOCK_K)
        is_column = (column < stop)[None, :]
        x = tl.load(x_at + column[None, :], mask=is_token[:, None] & is_column, other=0.0).to(tl.float32)
        weight = tl.load(weight_at + column[None, :], mask=is_expert[:, None] & is_column, other=0.0)
        # Three TF32 products keep float32's digits; one would move experts over the edge of the choice.
        logits = tl.dot(x, tl.trans(weight.to(tl.float32)), acc=logits, input_precision="tf32x3")
    row = tl.program_id(2).to(tl.int64) * num_tokens + token
    tl.store(
        parts_ptr + row[:, None] * num_experts + expert[None, :],
        logits,
        mask=is_token[:, None] & is_expert[None, :],
    )


@triton.jit
def _choose(
    parts_ptr,
    correction_ptr,
    experts_ptr,
    weights_ptr,
    num_parts,
    group_size,
    stride_part,
    stride_token,
    scale,
    CHOSEN: tl.constexpr,
    GROUPS: tl.constexpr,
    KEPT_GROUPS: tl.constexpr,
    IS_NORMALISED: tl.constexpr,
    BLOCK_G: tl.constexpr,
    BLOCK_E: tl.constexpr,  # experts of a group
    BLOCK_K: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    group, place = tl.arange(0, BLOCK_G)[:, None], tl.arange(0, BLOCK_E)[None, :]
    expert = group * group_size + place  # [BLOCK_G, BLOCK_E]
    is_expert = (group < GROUPS) & (place < group_size)
    logits = tl.zeros((BLOCK_G, BLOCK_E), tl.float32)
    for part in range(num_parts):
        at = parts_ptr + part * stride_part + token * stride_token + expert
        logits += tl.load(at, mask=is_expert, other=0.0).to(tl.float32)
    probability = 1.0 / (1.0 + tl.exp(-logits))
    correction = tl.load(correction_ptr + expert, mask=is_expert, other=0.0).to(tl.float32)
    score = tl.where(is_expert, probability + correction, float("-inf"))

    if KEPT_GROUPS < GROUPS:
        # A group is as strong as its two best scores together; one expert alone counts once.
        best = tl.max(score, axis=1)
        is_best = place == tl.argmax(score, axis=1)[:, None]
        second = tl.max(tl.where(is_best, float("-inf"), score), axis=1)
        strength = best + tl.where(group_size > 1, second, 0.0)
        index = tl.arange(0, BLOCK_G)
        strength = tl.where(index < GROUPS, strength, float("-inf"))
        is_kept = index < 0
        for _ in tl.static_range(KEPT_GROUPS):
            strongest = index == tl.argmax(strength, axis=0)
            is_kept = is_kept | strongest
            strength = tl.where(strongest, float("-inf"), strength)
        score = tl.where(is_kept[:, None], score, float("-inf"))

    score = tl.reshape(score, (BLOCK_G * BLOCK_E,))
    probability = tl.reshape(probability, (BLOCK_G * BLOCK_E,))
    number = tl.reshape(tl.where(is_expert, expert, -1), (BLOCK_G * BLOCK_E,))
    index, slot = tl.arange(0, BLOCK_G * BLOCK_E), tl.arange(0, BLOCK_K)
    experts, weights = tl.zeros((BLOCK_K,), tl.int32), tl.zeros((BLOCK_K,), tl.float32)
    for turn in range(CHOSEN):
        is_best = index == tl.argmax(score, axis=0)
        experts = tl.where(slot == turn, tl.sum(tl.where(is_best, number, 0), axis=0), experts)
        weights = tl.where(slot == turn, tl.sum(tl.where(is_best, probability, 0.0), axis=0), weights)
        score = tl.where(is_best, float("-inf"), score)
    if IS_NORMALISED:
        weights = weights / (tl.sum(weights, axis=0) + 1e-20)
    tl.store(experts_ptr + token * CHOSEN + slot, experts.to(tl.int64), mask=slot < CHOSEN)
    tl.store(weights_ptr + token * CHOSEN + slot, weights * scale, mask=slot < CHOSEN)


def route(x: Tensor, weight: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """Choose experts for the tokens `x` [tokens, hidden] by the router's `weight` [experts, hidden]."""
    (num_tokens, num_columns), num_experts = x.shape, len(weight)
    part_columns = triton.cdiv(triton.cdiv(num_columns, _PARTS), _BLOCK_K) * _BLOCK_K
    num_parts = triton.cdiv(num_columns, part_columns)
    parts = torch.empty(num_parts, num_tokens, num_experts, dtype=torch.float32, device=x.device)
    if num_tokens:
        grid = (triton.cdiv(num_tokens, _BLOCK_T), triton.cdiv(num_experts, _BLOCK_E), num_parts)
        _score[grid](
            x, weight, parts, num_tokens, num_experts, num_columns, part_columns,
            x.stride(0), weight.stride(0),
            BLOCK_T=_BLOCK_T, BLOCK_E=_BLOCK_E, BLOCK_K=_BLOCK_K,
        )  # fmt: skip
    return _chosen(parts, correction_bias, rule)


def choose_experts(logits: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """The same from the float32 product [tokens, experts]."""
    return _chosen(logits[None], correction_bias, rule)


def _chosen(parts: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    num_parts, num_tokens, num_experts = parts.shape
    shape, group_size = (num_tokens, rule.num_chosen), num_experts // rule.num_groups
    experts = torch.empty(shape, dtype=torch.int64, device=parts.device)
    weights = torch.empty(shape, dtype=torch.float32, device=parts.device)
    if num_tokens:
        # One warp: the choice is a chain of reductions, and a second warp would make each wait for a barrier.
        _choose[(num_tokens,)](
            parts, correction_bias, experts, weights, num_parts, group_size, parts.stride(0), parts.stride(1),
            rule.scale,
            CHOSEN=rule.num_chosen, GROUPS=rule.num_groups, KEPT_GROUPS=rule.num_kept_groups,
            IS_NORMALISED=rule.is_normalised, BLOCK_G=triton.next_power_of_2(rule.num_groups),
            BLOCK_E=triton.next_power_of_2(group_size), BLOCK_K=triton.next_power_of_2(rule.num_chosen),
            num_warps=1,
        )  # fmt: skip
    return Routing(experts=experts, weights=weights)


_SCORE = {
    "x_ptr": "*bf16",
    "weight_ptr": "*fp32",
    "parts_ptr": "*fp32",
    **dict.fromkeys(("num_tokens", "num_experts", "num_columns", "part_columns"), "i32"),
    **dict.fromkeys(("stride_x", "stride_weight"), "i32"),
}
_CHOOSE = {
    "parts_ptr": "*fp32",
    "correction_ptr": "*fp32",
    "experts_ptr": "*i64",
    "weights_ptr": "*fp32",
    **dict.fromkeys(("num_parts", "group_size", "stride_part", "stride_token"), "i32"),
    "scale": "fp32",
}

BUILDS = (
    Build(
        "scores",
        _score,
        _SCORE,
        {"BLOCK_T": _BLOCK_T, "BLOCK_E": _BLOCK_E, "BLOCK_K": _BLOCK_K},
        divisible=("num_experts", "num_columns", "part_columns", "stride_x", "stride_weight"),
        instructions=dict.fromkeys(("sm_80", "sm_90", "sm_100", "sm_120"), "HMMA"),
    ),
    *(
        Build(
            f"choice {name}",
            _choose,
            _CHOOSE,
            {
                "CHOSEN": chosen,
                "GROUPS": 1,
                "KEPT_GROUPS": 1,
                "IS_NORMALISED": True,
                "BLOCK_G": 1,
                "BLOCK_E": num_experts,
                "BLOCK_K": triton.next_power_of_2(chosen),
            },
            num_warps=1,
            divisible=("group_size", "stride_token"),
        )
        for name, chosen, num_experts in (("Nano", 6, 128), ("Super", 22, 512))
    ),
)
