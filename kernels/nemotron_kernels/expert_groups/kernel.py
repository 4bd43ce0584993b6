# pyright: basic, reportArgumentType=false
"""How does a GPU sort rows by expert in one launch, the same way every time?

Every expert has a program, and each counts all visits itself: that is a few kilobytes from the second-level
cache, against a second launch or an atomic counter, which would leave the order to chance. One more program
labels the places that no expert uses.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels.expert_groups.reference import Groups, most_tiles

_BLOCK_R = 512


@triton.jit
def _group(
    visits_ptr,
    rows_ptr,
    labels_ptr,
    num_rows,
    num_experts,
    num_tiles,
    TILE: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    own = tl.program_id(0)
    expert = tl.arange(0, BLOCK_E)
    counts = tl.zeros((BLOCK_E,), tl.int32)
    for first in range(0, num_rows, BLOCK_R):
        row = first + tl.arange(0, BLOCK_R)
        visited = tl.load(visits_ptr + row, mask=row < num_rows, other=0).to(tl.int32)
        counts += tl.histogram(visited, BLOCK_E, mask=row < num_rows)
    tiles = (counts + TILE - 1) // TILE
    first_tile = tl.sum(tl.where(expert < own, tiles, 0))
    own_tiles = tl.sum(tl.where(expert == own, tiles, 0))
    own_rows = tl.sum(tl.where(expert == own, counts, 0))
    is_rest = own == num_experts
    own_tiles = tl.where(is_rest, num_tiles - first_tile, own_tiles)
    label = tl.where(is_rest, -1, own)

    for first in range(0, own_tiles, BLOCK_R):
        place = first + tl.arange(0, BLOCK_R)
        tl.store(labels_ptr + first_tile + place, label + 0 * place, mask=place < own_tiles)
    rows_ptr += first_tile * TILE
    placed = 0
    for first in range(0, num_rows, BLOCK_R):
        row = first + tl.arange(0, BLOCK_R)
        visited = tl.load(visits_ptr + row, mask=row < num_rows, other=-1).to(tl.int32)
        is_own = ((visited == own) & (row < num_rows)).to(tl.int32)
        tl.store(rows_ptr + placed + tl.cumsum(is_own, axis=0) - 1, row, mask=is_own == 1)
        placed += tl.sum(is_own)
    for first in range(own_rows, own_tiles * TILE, BLOCK_R):
        place = first + tl.arange(0, BLOCK_R)
        tl.store(rows_ptr + place, -1 + 0 * place, mask=place < own_tiles * TILE)


def group_by_expert(experts: Tensor, num_experts: int, tile: int) -> Groups:
    """Group the visits `experts` [tokens, K]; `tile` is a power of two."""
    num_tiles = most_tiles(experts.numel(), num_experts, tile)
    labels = torch.empty(num_tiles, dtype=torch.int32, device=experts.device)
    rows = torch.empty(num_tiles * tile, dtype=torch.int32, device=experts.device)
    return group_into(experts, num_experts, Groups(rows, labels))


def group_into(experts: Tensor, num_experts: int, groups: Groups) -> Groups:
    """The same into memory that is there."""
    _group[(num_experts + 1,)](
        experts.contiguous(), groups.rows, groups.experts, experts.numel(), num_experts, len(groups.experts),
        TILE=groups.tile, BLOCK_E=triton.next_power_of_2(num_experts), BLOCK_R=_BLOCK_R,
    )  # fmt: skip
    return groups


BUILDS = tuple(
    Build(
        name,
        _group,
        {
            "visits_ptr": "*i64",
            "rows_ptr": "*i32",
            "labels_ptr": "*i32",
            "num_rows": "i32",
            "num_experts": "i32",
            "num_tiles": "i32",
        },
        {"TILE": 16, "BLOCK_E": num_experts, "BLOCK_R": _BLOCK_R},
    )
    for name, num_experts in (("Nano", 128), ("Super", 512))
)
