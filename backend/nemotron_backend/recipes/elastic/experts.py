"""How does a batch pass through a mixture of experts, with gradients and an even load?

The load is balanced without a loss: after each step the correction bias of busy experts falls and that of
idle ones rises (arXiv 2408.15664).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.recipes.elastic.shape import Size
from nemotron_kernels.router import Routing, RoutingRule, route

_ROUND = 64


class Router(nn.Module):
    """Its correction bias is moved by hand and never by gradients."""

    e_score_correction_bias: Tensor
    load: Tensor

    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(config.n_routed_experts, config.hidden_size) * 0.02)
        self.register_buffer("e_score_correction_bias", torch.zeros(config.n_routed_experts))
        self.register_buffer("load", torch.zeros(config.n_routed_experts), persistent=False)


class Stack(nn.Module):
    """The weights of all experts, one tensor for each of their two maps."""

    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        count, width, read = config.n_routed_experts, config.moe_intermediate_size, config.hidden_size
        self.up_proj = nn.Parameter(torch.randn(count, width, read) * 0.02)
        self.down_proj = nn.Parameter(torch.randn(count, read, width) * 0.02)


class Shared(nn.Module):
    """The expert that every token visits."""

    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        width = config.moe_shared_expert_intermediate_size
        self.up_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.down_proj = nn.Linear(width, config.hidden_size, bias=False)

    def forward(self, rows: Tensor, size: Size) -> Tensor:
        up = size.part("mixer.shared_experts.up_proj.weight", self.up_proj.weight)
        down = size.part("mixer.shared_experts.down_proj.weight", self.down_proj.weight)
        return F.linear(F.relu(F.linear(rows, up)).square(), down)


class Experts(nn.Module):
    """Routed experts beside a shared one."""

    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Stack(config)
        self.shared_experts = Shared(config)
        self._rule = RoutingRule(
            num_chosen=config.num_experts_per_tok,
            num_groups=config.n_group,
            num_kept_groups=config.topk_group,
            is_normalised=config.norm_topk_prob,
            scale=config.routed_scaling_factor,
        )

    def forward(self, hidden: Tensor, size: Size) -> Tensor:
        rows = hidden.flatten(0, 1)
        routed = self._routed(rows, self._route(rows, size), size)
        shared: Tensor = self.shared_experts(rows, size)
        return (routed + shared).view_as(hidden)

    @torch.no_grad()
    def balance(self, rate: float) -> None:
        """Make busy experts a little harder to choose, then count anew."""
        load = self.gate.load
        self.gate.e_score_correction_bias += rate * torch.sign(load.mean() - load)
        load.zero_()

    def _routed(self, rows: Tensor, routing: Routing, size: Size) -> Tensor:
        seats = _seats(routing.experts, size.config.n_routed_experts)
        self.gate.load[: len(seats.counts)] += seats.counts
        up = size.part("mixer.experts.*.up_proj.weight", self.experts.up_proj)
        down = size.part("mixer.experts.*.down_proj.weight", self.experts.down_proj)
        visiting = rows.to(_product_type(rows))[seats.visitors]
        seated = visiting.new_zeros(len(up) * seats.capacity, rows.shape[1])
        seated = seated.index_copy(0, seats.places, visiting).view(len(up), seats.capacity, -1)
        outer = (F.relu(seated @ up.mT).square() @ down.mT).flatten(0, 1)[seats.places]
        weighted = outer * routing.weights.flatten()[seats.order, None]
        return torch.zeros_like(rows).index_add(0, seats.visitors, weighted)

    def _route(self, rows: Tensor, size: Size) -> Routing:
        weight = size.part("mixer.gate.weight", self.gate.weight)
        bias = size.part("mixer.gate.e_score_correction_bias", self.gate.e_score_correction_bias)
        with torch.autocast("cpu", enabled=False):
            return route(rows, weight, bias, self._rule)


@dataclass(frozen=True, slots=True)
class _Seats:
    """Where each visit sits in a table [expert, capacity].

    `order` sorts the visits by expert, `visitors` are their rows, `places` their seats.
    """

    order: Tensor
    visitors: Tensor
    places: Tensor
    counts: Tensor
    capacity: int


def _seats(chosen: Tensor, num_experts: int) -> _Seats:
    experts, order = chosen.flatten().sort(stable=True)
    counts = experts.bincount(minlength=num_experts)
    # Products are compiled for their shape, so the table comes in few widths.
    capacity = -(-int(counts.max()) // _ROUND) * _ROUND
    first = counts.cumsum(0) - counts
    places = experts * capacity + torch.arange(len(order)) - first[experts]
    return _Seats(order, order // chosen.shape[1], places, counts, capacity)


def _product_type(rows: Tensor) -> torch.dtype:
    """What autocast would make of the rows, so that they are moved in it already."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else rows.dtype
