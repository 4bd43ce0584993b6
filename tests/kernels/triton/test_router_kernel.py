"""Does the router's kernel choose and weigh as the formula does in float64?"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nemotron_kernels.router import RoutingRule, kernel

Close = Callable[[Tensor, Tensor, str], None]

RULE = RoutingRule(num_chosen=3, num_groups=1, num_kept_groups=1, is_normalised=True, scale=2.5)


def exact(logits: Tensor, bias: Tensor, rule: RoutingRule) -> tuple[Tensor, Tensor]:
    """Token by token: experts in the order of their scores, and their weights."""
    experts, weights = [], []
    for own in logits.double().sigmoid():
        grouped = (own + bias.double()).view(rule.num_groups, -1)
        strength = grouped.sort(descending=True).values[:, :2].sum(1)
        is_kept = torch.zeros(rule.num_groups, dtype=torch.bool)
        is_kept[strength.sort(descending=True).indices[: rule.num_kept_groups]] = True
        scores = grouped.where(is_kept[:, None], -torch.inf).flatten()
        chosen = scores.sort(descending=True).indices[: rule.num_chosen]
        share = own[chosen] / own[chosen].sum() if rule.is_normalised else own[chosen]
        experts.append(chosen)
        weights.append(share * rule.scale)
    return torch.stack(experts), torch.stack(weights)


@pytest.mark.parametrize(
    ("dtype", "tokens", "hidden", "experts"),
    [(torch.float32, 17, 200, 18), (torch.bfloat16, 1, 70, 9), (torch.float16, 2, 16, 32)],
    ids=str,
)
def test_tokens_are_routed_by_the_formula(
    dtype: torch.dtype, tokens: int, hidden: int, experts: int, close: Close
) -> None:
    torch.manual_seed(0)
    x = torch.randn(tokens, 2 * hidden).to(dtype)[:, :hidden]
    weight, bias = torch.randn(experts + 3, hidden + 8)[:experts, :hidden] / 8, torch.randn(experts) / 4
    routing = kernel.route(x, weight, bias, RULE)
    chosen, weights = exact(x.double() @ weight.double().T, bias, RULE)
    assert torch.equal(routing.experts, chosen)
    close(routing.weights, weights, "router")


@pytest.mark.parametrize(
    ("groups", "kept", "is_normalised"), [(1, 1, False), (3, 2, True), (12, 3, True)], ids=str
)
def test_experts_come_from_the_strongest_groups(
    groups: int, kept: int, is_normalised: bool, close: Close
) -> None:
    torch.manual_seed(0)
    logits, bias = torch.randn(6, 12), torch.randn(12) / 4
    rule = replace(RULE, num_groups=groups, num_kept_groups=kept, is_normalised=is_normalised)
    routing = kernel.choose_experts(logits, bias, rule)
    chosen, weights = exact(logits, bias, rule)
    assert torch.equal(routing.experts, chosen)
    close(routing.weights, weights, "router")


def test_equal_scores_go_to_the_first_experts() -> None:
    routing = kernel.choose_experts(torch.zeros(1, 7), torch.zeros(7), RULE)
    assert routing.experts.tolist() == [[0, 1, 2]]
    torch.testing.assert_close(routing.weights, torch.full((1, 3), 2.5 / 3))


def test_no_tokens_visit_no_experts() -> None:
    routing = kernel.route(torch.empty(0, 8), torch.ones(5, 8), torch.zeros(5), RULE)
    assert routing.experts.shape == routing.weights.shape == (0, 3)
