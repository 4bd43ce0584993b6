"""What is the router, in plain torch?"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRule:
    """How experts are chosen and weighed; the same for every token."""

    num_chosen: int
    num_groups: int
    num_kept_groups: int
    is_normalised: bool
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The chosen `experts` and their float32 `weights`, both [tokens, chosen]."""

    experts: Tensor
    weights: Tensor


def route(x: Tensor, weight: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """Choose experts for the tokens `x` [tokens, hidden] by the router's `weight` [experts, hidden]."""
    return choose_experts(F.linear(x.float(), weight.float()), correction_bias, rule)


def choose_experts(logits: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """The same from the float32 product [tokens, experts]."""
    probabilities = logits.sigmoid()
    scores = probabilities + correction_bias.float()
    if rule.num_kept_groups < rule.num_groups:
        scores = _drop_groups(scores, rule)
    experts = scores.topk(rule.num_chosen, dim=-1).indices
    weights = probabilities.gather(1, experts)
    if rule.is_normalised:
        weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
    return Routing(experts=experts, weights=weights * rule.scale)


def _drop_groups(scores: Tensor, rule: RoutingRule) -> Tensor:
    grouped = torch.unflatten(scores, 1, (rule.num_groups, -1))
    strength = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(dim=-1)
    kept = strength.topk(rule.num_kept_groups, dim=-1).indices
    is_dropped = torch.ones_like(strength, dtype=torch.bool).scatter(1, kept, False)
    return grouped.masked_fill(is_dropped[..., None], -torch.inf).flatten(1)
