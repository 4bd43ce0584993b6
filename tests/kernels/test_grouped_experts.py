"""Do grouped experts equal each token's own sum, for whole tensors and for views of them?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels.grouped_experts import ExpertWeights, grouped_experts
from nemotron_kernels.router import Routing


def draw(
    tokens: int, experts: int, chosen: int, width: int, inner: int
) -> tuple[Tensor, Routing, Tensor, Tensor]:
    torch.manual_seed(0)
    routing = Routing(
        experts=torch.stack([torch.randperm(experts)[:chosen] for _ in range(tokens)]),
        weights=torch.rand(tokens, chosen),
    )
    return (
        torch.randn(tokens, width),
        routing,
        torch.randn(experts, inner, width),
        torch.randn(experts, width, inner),
    )


def token_by_token(x: Tensor, routing: Routing, up: Tensor, down: Tensor) -> Tensor:
    """The formula in float64."""
    rows = []
    for token, experts, weights in zip(x.double(), routing.experts, routing.weights.double(), strict=True):
        outputs = [down[e].double() @ (up[e].double() @ token).clamp(min=0) ** 2 for e in experts]
        rows.append(sum((w * out for w, out in zip(weights, outputs, strict=True)), torch.zeros_like(token)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("tokens", "experts", "chosen", "width", "inner"), [(1, 3, 1, 5, 7), (9, 8, 3, 16, 24), (33, 4, 4, 8, 3)]
)
def test_every_token_gets_its_own_sum(tokens: int, experts: int, chosen: int, width: int, inner: int) -> None:
    x, routing, up, down = draw(tokens, experts, chosen, width, inner)
    out = grouped_experts(x, routing, ExpertWeights(up), ExpertWeights(down))
    torch.testing.assert_close(out.double(), token_by_token(x, routing, up, down), rtol=1e-4, atol=1e-4)


def test_scales_belong_to_the_rows_of_an_expert() -> None:
    x, routing, up, down = draw(6, 4, 2, 8, 12)
    up_scale, down_scale = torch.rand(4, 12), torch.rand(4, 8)
    out = grouped_experts(x, routing, ExpertWeights(up, up_scale), ExpertWeights(down, down_scale))
    expected = token_by_token(x, routing, up * up_scale[..., None], down * down_scale[..., None])
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)


def test_a_view_of_the_first_experts_rows_and_columns_equals_its_copy() -> None:
    x, routing, up, down = draw(12, 4, 2, 8, 12)
    wider_up, wider_down = torch.randn(6, 20, 16), torch.randn(6, 16, 20)
    wider_up[:4, :12, :8], wider_down[:4, :8, :12] = up, down
    out = grouped_experts(
        x, routing, ExpertWeights(wider_up[:4, :12, :8]), ExpertWeights(wider_down[:4, :8, :12])
    )
    torch.testing.assert_close(out.double(), token_by_token(x, routing, up, down), rtol=1e-4, atol=1e-4)


def test_gradients_reach_only_the_experts_that_were_visited() -> None:
    x, routing, up, down = draw(5, 6, 2, 4, 4)
    up.requires_grad_()
    (gradient,) = torch.autograd.grad(
        grouped_experts(x, routing, ExpertWeights(up), ExpertWeights(down)).sum(), [up]
    )
    visited = set(routing.experts.flatten().tolist())
    assert {e for e in range(6) if gradient[e].abs().sum() > 0} <= visited
    assert any(gradient[e].abs().sum() > 0 for e in visited)
