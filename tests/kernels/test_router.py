"""Does the router choose by corrected scores and weigh by plain ones?"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nemotron_kernels.router import RoutingRule, route

RULE = RoutingRule(num_chosen=2, num_groups=1, num_kept_groups=1, is_normalised=True, scale=2.5)


def probabilities(x: Tensor, weight: Tensor) -> Tensor:
    return torch.sigmoid(x.double() @ weight.double().T)


def test_the_best_experts_are_chosen() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(9, 16), torch.randn(7, 16)
    routing = route(x, weight, torch.zeros(7), RULE)
    best = probabilities(x, weight).topk(2).indices
    assert torch.equal(routing.experts.sort().values, best.sort().values)


def test_the_correction_bias_moves_the_choice_but_not_the_weight() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(9, 16), torch.randn(7, 16)
    bias = torch.tensor([0.0, 0, 0, 10, 0, 10, 0])
    routing = route(x, weight, bias, RULE)
    assert torch.equal(routing.experts.sort().values, torch.tensor([[3, 5]]).expand(9, 2))
    chosen = probabilities(x, weight).gather(1, routing.experts)
    torch.testing.assert_close(
        routing.weights.double(), 2.5 * chosen / chosen.sum(1, keepdim=True), rtol=1e-5, atol=1e-6
    )


def test_weights_are_plain_probabilities_when_not_normalised() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 8), torch.randn(5, 8)
    routing = route(x, weight, torch.zeros(5), replace(RULE, is_normalised=False, scale=1.0))
    torch.testing.assert_close(
        routing.weights.double(), probabilities(x, weight).gather(1, routing.experts), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("num_kept_groups", [1, 2, 3])
def test_experts_come_only_from_the_groups_with_the_best_pair(num_kept_groups: int) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(20, 8), torch.randn(12, 8), torch.randn(12)
    rule = replace(RULE, num_groups=3, num_kept_groups=num_kept_groups)
    routing = route(x, weight, bias, rule)
    scores = probabilities(x, weight) + bias
    for token in range(20):
        groups = scores[token].view(3, 4)
        pairs = groups.sort(descending=True).values[:, :2].sum(1)
        kept = set(pairs.topk(num_kept_groups).indices.tolist())
        allowed = [expert for expert in range(12) if expert // 4 in kept]
        best = sorted(allowed, key=lambda expert: -float(scores[token, expert]))[:2]
        assert set(routing.experts[token].tolist()) == set(best)


def test_bfloat16_inputs_are_scored_in_float32() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(4, 32).bfloat16(), torch.randn(8, 32).bfloat16()
    routing = route(x, weight, torch.zeros(8), RULE)
    exact = route(x.float(), weight.float(), torch.zeros(8), RULE)
    assert routing.weights.dtype == torch.float32
    assert torch.equal(routing.experts, exact.experts)
    assert torch.equal(routing.weights, exact.weights)
