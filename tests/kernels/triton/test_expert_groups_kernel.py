"""Are rows grouped by expert as defined, with every place written?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.expert_groups import Groups, kernel, reference

Poisoned = Callable[..., Tensor]


@pytest.mark.parametrize(
    ("tokens", "chosen", "experts", "tile"),
    [(1, 1, 1, 16), (1, 6, 8, 1), (37, 3, 5, 4), (200, 3, 7, 16), (5, 2, 40, 16)],
)
def test_it_equals_the_definition(
    tokens: int, chosen: int, experts: int, tile: int, poisoned: Poisoned
) -> None:
    torch.manual_seed(0)
    visits = torch.stack([torch.randperm(experts)[:chosen] for _ in range(tokens)])
    expected = reference.group_by_expert(visits, experts, tile)
    rows, labels = (poisoned(part.shape, torch.int32) for part in (expected.rows, expected.experts))
    groups = kernel.group_into(visits, experts, Groups(rows, labels))
    assert torch.equal(groups.rows, expected.rows)
    assert torch.equal(groups.experts, expected.experts)


def test_the_worst_routing_fills_every_place_it_may() -> None:
    # Every expert visited once, and one of them by all that is left: no tile is spare.
    visits = torch.tensor([[0]] * 17 + [[1], [2], [3]])
    groups = kernel.group_by_expert(visits, 4, 4)
    assert groups.experts.tolist() == [0, 0, 0, 0, 0, 1, 2, 3]
    assert sorted(groups.rows[groups.rows >= 0].tolist()) == list(range(20))


def test_experts_that_nobody_visits_have_no_tile() -> None:
    groups = kernel.group_by_expert(torch.tensor([[3], [3], [1]]), 5, 2)
    assert groups.experts.tolist() == [1, 3, -1]
    assert groups.rows.tolist() == [2, -1, 0, 1, -1, -1]
