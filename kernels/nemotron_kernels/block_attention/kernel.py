# pyright: basic, reportArgumentType=false
"""How does a GPU attend over a paged cache, reading each key once for all queries that share it?

The query heads of a group and the tokens of a sequence are rows of one tile, so one token of a group of 16
fills a tensor core's rows, and a block of 32 tokens of a group of 4 fills a tile of 128. A program walks the
keys that any of its rows sees, in tiles that are masked only where rows differ. Where that makes fewer
programs than the GPU holds, the keys are split over more, and a second launch merges by log-sum-exp.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import TARGETS, Build, Target
from nemotron_kernels._choice import is_interpreted
from nemotron_kernels._decode import e4m3_value
from nemotron_kernels.block_attention.layout import Layout, PagedCache

_KEYS = 64  # of a tile, 16 KB in bfloat16, and of the smallest split
_MOST_SPLITS = 64
_PROGRAMS = 264  # two for each multiprocessor of an H100
# Two stages: with three, a tile of 128 rows needs more shared memory than sm_120 has.
_STAGES = 2


def block_attention(
    queries: Tensor,
    cache: PagedCache,
    layout: Layout,
    scale: float,
    query_scale: Tensor | None = None,
    *,
    num_splits: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    num_queries, num_heads, head_dim = queries.shape
    page, num_kv_heads = cache.keys.shape[1:3]
    group, batch = num_heads // num_kv_heads, len(layout.pages)
    out = torch.empty_like(queries) if out is None else out
    if not num_queries:
        return out
    device = queries.device
    rows, keys_of_tile, warps = _tile(layout.longest * group, cache.is_coded or _is_ampere(device))
    num_tiles = triton.cdiv(layout.longest * group, rows)
    splits = num_splits or _splits(num_tiles * num_kv_heads * batch, page * layout.pages.shape[1])
    partial = torch.empty(splits, *queries.shape, device=device) if splits > 1 else out
    levels = torch.empty(splits, num_queries, num_heads, device=device) if splits > 1 else out
    keys, values = (_bytes(part) if cache.is_coded else part for part in (cache.keys, cache.values))
    _attend[(num_tiles, num_kv_heads, batch * splits)](
        queries, keys, values, layout.pages, layout.starts, layout.sight.contiguous(),
        queries if query_scale is None else query_scale.contiguous(), partial, levels,
        scale * cache.key_scale * math.log2(math.e), cache.value_scale, splits, num_queries,
        *queries.stride()[:2], *keys.stride()[:3], *values.stride()[:3], layout.pages.stride(0),
        *partial.stride()[-3:-1],
        HAS_STRETCHES=layout.has_stretches, HAS_SCALE=query_scale is not None, IS_CODED=cache.is_coded,
        IS_SPLIT=splits > 1, IS_INTERPRETED=is_interpreted(), GROUP=group, PAGE=page, HEAD_DIM=head_dim,
        BLOCK_D=triton.next_power_of_2(max(head_dim, 16)), ROWS=rows, KEYS=keys_of_tile,
        num_warps=warps, num_stages=_STAGES,
    )  # fmt: skip
    if splits > 1:
        _merge[(num_queries, num_heads)](
            partial, levels, out, splits, *out.stride()[:2], HEAD_DIM=head_dim,
            BLOCK_D=triton.next_power_of_2(head_dim), SPLITS=triton.next_power_of_2(splits),
        )  # fmt: skip
    return out


def _tile(num_rows: int, has_few_registers: bool) -> tuple[int, int, int]:
    """Rows and keys of a tile, and its warps; a warpgroup's product takes 64 rows, fewer go to single warps.

    Beside 128 rows there are registers for 64 keys, but not where Ampere's products read them from
    registers, nor where codes are decoded there.
    """
    if num_rows <= 16:
        return 16, _KEYS, 4
    return (64, _KEYS, 4) if num_rows <= 64 else (128, _KEYS // 2 if has_few_registers else _KEYS, 8)


def _is_ampere(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == 8


def _splits(num_programs: int, num_places: int) -> int:
    wanted = -(-_PROGRAMS // num_programs)
    return max(1, min(wanted, -(-num_places // _KEYS), _MOST_SPLITS))


def _bytes(codes: Tensor) -> Tensor:
    return codes.view(torch.uint8)


@triton.jit
def _load(ptr, columns, channel, is_there, IS_MASKED: tl.constexpr, HEAD_DIM: tl.constexpr):
    """Rows of keys or values [KEYS, BLOCK_D] at offsets `columns`; zeros where there are none."""
    source = ptr + columns[:, None] + channel[None, :]
    if IS_MASKED:
        return tl.load(source, mask=is_there[:, None] & (channel < HEAD_DIM)[None, :], other=0)
    if channel.shape[0] == HEAD_DIM:
        return tl.load(source)
    return tl.load(source, mask=(channel < HEAD_DIM)[None, :], other=0)


@triton.jit
def _numbers(stored, dtype: tl.constexpr, IS_CODED: tl.constexpr):
    if IS_CODED:
        return e4m3_value(stored).to(dtype)
    return stored.to(dtype)


@triton.jit
def _visit(
    q, row_scale, accumulated, total, highest, place, end, before, begin, until,
    keys_ptr, values_ptr, pages_ptr, channel,
    stride_key_page, stride_key_slot, stride_value_page, stride_value_slot,
    IS_MASKED: tl.constexpr, HAS_STRETCHES: tl.constexpr, IS_CODED: tl.constexpr,
    PAGE: tl.constexpr, HEAD_DIM: tl.constexpr,
):  # fmt: skip
    """Take in one tile of keys: highest and total are those of exp2(row_scale * q . k)."""
    is_there = place < end
    if IS_MASKED:
        page = tl.load(pages_ptr + place // PAGE, mask=is_there, other=0).to(tl.int64)
    else:
        page = tl.load(pages_ptr + place // PAGE).to(tl.int64)
    slot = place % PAGE
    columns = page * stride_key_page + slot * stride_key_slot
    k = _numbers(_load(keys_ptr, columns, channel, is_there, IS_MASKED, HEAD_DIM), q.dtype, IS_CODED)
    scores = tl.dot(q, tl.trans(k), input_precision="ieee") * row_scale
    if IS_MASKED:
        is_seen = place[None, :] < before[:, None]
        if HAS_STRETCHES:
            is_seen |= (place[None, :] >= begin[:, None]) & (place[None, :] < until[:, None])
        scores = tl.where(is_seen & is_there[None, :], scores, -float("inf"))
    higher = tl.maximum(highest, tl.max(scores, axis=1))
    base = tl.where(higher == -float("inf"), 0.0, higher) if IS_MASKED else higher
    shrink = tl.exp2(highest - base)
    weights = tl.exp2(scores - base[:, None])
    total = total * shrink + tl.sum(weights, axis=1)
    columns = page * stride_value_page + slot * stride_value_slot
    v = _numbers(_load(values_ptr, columns, channel, is_there, IS_MASKED, HEAD_DIM), q.dtype, IS_CODED)
    accumulated = tl.dot(weights.to(v.dtype), v, accumulated * shrink[:, None], input_precision="ieee")
    return accumulated, total, higher


@triton.jit
def _attend(
    queries_ptr, keys_ptr, values_ptr, pages_ptr, starts_ptr, sight_ptr, query_scale_ptr, out_ptr, level_ptr,
    scale, value_scale, num_splits, num_queries,
    stride_query, stride_head, stride_key_page, stride_key_slot, stride_key_head,
    stride_value_page, stride_value_slot, stride_value_head, stride_pages, stride_out, stride_out_head,
    HAS_STRETCHES: tl.constexpr, HAS_SCALE: tl.constexpr, IS_CODED: tl.constexpr, IS_SPLIT: tl.constexpr,
    IS_INTERPRETED: tl.constexpr, GROUP: tl.constexpr, PAGE: tl.constexpr, HEAD_DIM: tl.constexpr,
    BLOCK_D: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    kv_head, sequence, split = tl.program_id(1), tl.program_id(2) // num_splits, tl.program_id(2) % num_splits
    start = tl.load(starts_ptr + sequence)
    length = tl.load(starts_ptr + sequence + 1) - start
    if tl.program_id(0) * ROWS >= length * GROUP:
        return
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)  # [ROWS] over tokens and heads of the group
    is_row, query = row < length * GROUP, (start + row // GROUP).to(tl.int64)
    head = kv_head * GROUP + row % GROUP
    channel = tl.arange(0, BLOCK_D)
    is_element = is_row[:, None] & (channel < HEAD_DIM)[None, :]
    source = queries_ptr + (query * stride_query + head * stride_head)[:, None] + channel[None, :]
    q = tl.load(source, mask=is_element, other=0.0)  # [ROWS, BLOCK_D]
    if IS_INTERPRETED:  # by what multiplies bfloat16 wrongly
        q = q.to(tl.float32)
    row_scale = scale
    if HAS_SCALE:
        row_scale = scale * tl.load(query_scale_ptr + query, mask=is_row, other=0.0)[:, None]

    # the keys that any row sees: tiles up to `most`, and with stretches those from `first` up to `last`
    before = tl.load(sight_ptr + 3 * query, mask=is_row, other=0)
    most, least = tl.max(before, axis=0), tl.min(tl.where(is_row, before, 2147483647), axis=0)
    num_before, first, last, begin, until = tl.cdiv(most, KEYS), 0, 0, before, before
    num_tiles = num_before
    if HAS_STRETCHES:
        begin = tl.load(sight_ptr + 3 * query + 1, mask=is_row, other=0)
        until = tl.load(sight_ptr + 3 * query + 2, mask=is_row, other=0)
        last = tl.max(until, axis=0)
        # What lies before `most` is visited there, for every row that sees it.
        first = tl.maximum(tl.min(tl.where(begin < until, begin, 2147483647), axis=0), most)
        num_tiles += tl.cdiv(tl.maximum(last - first, 0), KEYS)
    share = tl.cdiv(num_tiles, num_splits)
    tile, end_tile = split * share, tl.minimum((split + 1) * share, num_tiles)
    end_whole = tl.minimum(least // KEYS, end_tile)

    keys_ptr += kv_head.to(tl.int64) * stride_key_head
    values_ptr += kv_head.to(tl.int64) * stride_value_head
    pages_ptr += sequence.to(tl.int64) * stride_pages
    accumulated = tl.zeros((ROWS, BLOCK_D), tl.float32)
    total, highest = tl.zeros((ROWS,), tl.float32), tl.full((ROWS,), -float("inf"), tl.float32)
    column = tl.arange(0, KEYS)
    for index in range(tile, end_whole):
        accumulated, total, highest = _visit(
            q, row_scale, accumulated, total, highest, index * KEYS + column, most, before, begin, until,
            keys_ptr, values_ptr, pages_ptr, channel,
            stride_key_page, stride_key_slot, stride_value_page, stride_value_slot,
            False, HAS_STRETCHES, IS_CODED, PAGE, HEAD_DIM,
        )  # fmt: skip
    for index in range(tl.maximum(tile, end_whole), end_tile):
        place, end = index * KEYS + column, most
        if HAS_STRETCHES:
            is_before = index < num_before
            place += tl.where(is_before, 0, first - num_before * KEYS)
            end = tl.where(is_before, most, last)
        accumulated, total, highest = _visit(
            q, row_scale, accumulated, total, highest, place, end, before, begin, until,
            keys_ptr, values_ptr, pages_ptr, channel,
            stride_key_page, stride_key_slot, stride_value_page, stride_value_slot,
            True, HAS_STRETCHES, IS_CODED, PAGE, HEAD_DIM,
        )  # fmt: skip

    is_empty = total == 0.0
    accumulated *= tl.where(is_empty, 0.0, value_scale / tl.where(is_empty, 1.0, total))[:, None]
    target = (query * stride_out + head * stride_out_head)[:, None] + channel[None, :]
    if IS_SPLIT:
        place = split.to(tl.int64) * num_queries
        num_heads = tl.num_programs(1) * GROUP
        target += place * stride_out
        level = tl.where(is_empty, -float("inf"), highest + tl.log2(tl.where(is_empty, 1.0, total)))
        tl.store(level_ptr + (place + query) * num_heads + head, level, mask=is_row)
    tl.store(out_ptr + target, accumulated.to(out_ptr.dtype.element_ty), mask=is_element)


@triton.jit
def _merge(
    partial_ptr, level_ptr, out_ptr, num_splits, stride_out, stride_out_head,
    HEAD_DIM: tl.constexpr, BLOCK_D: tl.constexpr, SPLITS: tl.constexpr,
):  # fmt: skip
    query, head, num_heads = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    split, channel = tl.arange(0, SPLITS), tl.arange(0, BLOCK_D)
    row = (split * tl.num_programs(0) + query) * num_heads + head
    level = tl.load(level_ptr + row, mask=split < num_splits, other=-float("inf"))
    highest = tl.max(level, axis=0)
    # out = sum of 2^level * part / sum of 2^level; no part counts where none has seen a key
    weight = tl.exp2(level - tl.where(highest == -float("inf"), 0.0, highest))
    is_element = (split < num_splits)[:, None] & (channel < HEAD_DIM)[None, :]
    partial = tl.load(partial_ptr + row[:, None] * HEAD_DIM + channel[None, :], mask=is_element, other=0.0)
    whole = tl.sum(weight, axis=0)
    merged = tl.sum(weight[:, None] * partial, axis=0) / tl.where(whole == 0.0, 1.0, whole)
    target = out_ptr + query * stride_out + head * stride_out_head + channel
    tl.store(target, merged.to(out_ptr.dtype.element_ty), mask=channel < HEAD_DIM)


def _builds(name: str, group: int, num_rows: int, types: dict[str, str], **flags: bool) -> tuple[Build, ...]:
    """One for all targets, or one with fewer keys for Ampere."""
    tile, small = _tile(num_rows, flags.get("IS_CODED", False)), _tile(num_rows, has_few_registers=True)
    if tile == small:
        return (_build(name, group, tile, types, flags, {}),)
    others = dict.fromkeys(TARGETS, "takes 64 keys")
    del others["sm_80"]
    return (
        _build(name, group, tile, types, flags, {"sm_80": "takes 32 keys"}),
        _build(f"{name}_32_keys", group, small, types, flags, others),
    )


def _build(
    name: str,
    group: int,
    tile: tuple[int, int, int],
    types: dict[str, str],
    flags: dict[str, bool],
    unsupported: dict[Target, str],
) -> Build:
    """Heads of 128 channels and pages of 64 places."""
    rows, keys, warps = tile
    floats = {"scale": "fp32", "value_scale": "fp32"}
    pointers = dict.fromkeys(("pages_ptr", "starts_ptr", "sight_ptr"), "*i32")
    pointers |= {"query_scale_ptr": "*fp32", "level_ptr": "*fp32"}
    strides = dict.fromkeys(_STRIDES, "i64")
    sizes = dict.fromkeys(("num_splits", "num_queries", "stride_pages"), "i32")
    constants = dict.fromkeys(("HAS_STRETCHES", "HAS_SCALE", "IS_CODED", "IS_SPLIT", "IS_INTERPRETED"), False)
    shape = {"GROUP": group, "PAGE": 64, "HEAD_DIM": 128, "BLOCK_D": 128, "ROWS": rows, "KEYS": keys}
    by_group: dict[Target, str] = {"sm_80": "HMMA", "sm_90": "HGMMA", "sm_100": "UTCHMMA", "sm_120": "HMMA"}
    instructions = by_group if rows >= 64 else dict.fromkeys(TARGETS, "HMMA")
    return Build(
        name,
        _attend,
        signature={"queries_ptr": "*bf16", **types, **pointers, **floats, **sizes, **strides},
        constants={**constants, **flags, **shape},
        num_warps=warps,
        num_stages=_STAGES,
        divisible=_STRIDES,
        instructions={target: name for target, name in instructions.items() if target not in unsupported},
        unsupported=unsupported,
    )


_STRIDES = (
    "stride_query", "stride_head", "stride_key_page", "stride_key_slot", "stride_key_head",
    "stride_value_page", "stride_value_slot", "stride_value_head", "stride_out", "stride_out_head",
)  # fmt: skip
_BF16 = {"keys_ptr": "*bf16", "values_ptr": "*bf16", "out_ptr": "*bf16"}
_SPLIT = _BF16 | {"out_ptr": "*fp32"}
_CODES = {"keys_ptr": "*u8", "values_ptr": "*u8", "out_ptr": "*fp32"}

# Diffusion: 32 heads over 8, so a block of 32 has 128 rows. Nano: 32 heads over 2, so a token has 16.
BUILDS = (
    *_builds("block_32_diffusion", 4, 128, _SPLIT, IS_SPLIT=True, HAS_SCALE=True),
    *_builds("block_32_diffusion_fp8", 4, 128, _CODES, IS_SPLIT=True, HAS_SCALE=True, IS_CODED=True),
    *_builds("looking_ahead_diffusion", 4, 128, _BF16, HAS_STRETCHES=True, HAS_SCALE=True),
    *_builds("block_16_diffusion", 4, 64, _SPLIT, IS_SPLIT=True, HAS_SCALE=True),
    *_builds("prefill_nano", 16, 128, _BF16),
    *_builds("decode_nano", 16, 16, _SPLIT, IS_SPLIT=True),
    *_builds("decode_nano_fp8", 16, 16, _CODES, IS_SPLIT=True, IS_CODED=True),
    Build(
        "merge_128",
        _merge,
        signature={
            "partial_ptr": "*fp32",
            "level_ptr": "*fp32",
            "out_ptr": "*bf16",
            "num_splits": "i32",
            "stride_out": "i32",
            "stride_out_head": "i32",
        },
        constants={"HEAD_DIM": 128, "BLOCK_D": 128, "SPLITS": 64},
        divisible=("stride_out", "stride_out_head"),
    ),
)
