"""What is the grouping of rows by expert, in plain torch?"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Groups:
    """`rows` int32 [tiles * tile], `experts` int32 [tiles]; -1 fills a tile up, and labels a spare one."""

    rows: Tensor
    experts: Tensor

    @property
    def tile(self) -> int:
        """Rows of a tile."""
        return len(self.rows) // max(1, len(self.experts))


def most_tiles(num_rows: int, num_experts: int, tile: int) -> int:
    """How many tiles the worst routing fills."""
    visited = min(num_rows, num_experts)  # each may fill its last tile with one row alone
    return visited + (num_rows - visited) // tile


def group_by_expert(experts: Tensor, num_experts: int, tile: int) -> Groups:
    """Group the visits `experts` [tokens, K]; `tile` is a power of two."""
    visited = experts.flatten()
    num_tiles = most_tiles(len(visited), num_experts, tile)
    rows = torch.full((num_tiles, tile), -1, dtype=torch.int32, device=experts.device)
    labels = torch.full((num_tiles,), -1, dtype=torch.int32, device=experts.device)
    first = 0
    for expert in range(num_experts):
        for own in torch.split((visited == expert).nonzero().flatten(), tile):
            if len(own):
                rows[first, : len(own)], labels[first] = own.int(), expert
                first += 1
    return Groups(rows.flatten(), labels)
