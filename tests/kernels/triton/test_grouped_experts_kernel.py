"""Do the experts' kernels equal each token's own sum, in every precision and for nested sizes?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.grouped_experts import ExpertWeights, Nvfp4Experts, grouped_experts, kernel, reference
from nemotron_kernels.router import Routing, RoutingRule, route

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]
Held = ExpertWeights | Nvfp4Experts

FEW, MANY = 2, 7
EXPERTS, CHOSEN = 5, 2


def draw(tokens: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Routing]:
    """Rows of a wider tensor, and a routing that leaves expert 3 without visits."""
    torch.manual_seed(0)
    others = torch.tensor([0, 1, 2, 4])
    experts = torch.stack([others[torch.randperm(4)[:CHOSEN]] for _ in range(tokens)])
    x = torch.randn(tokens, 2 * width).to(dtype)[:, width:]
    return x, Routing(experts=experts, weights=torch.rand(tokens, CHOSEN))


def exact(x: Tensor, routing: Routing, up: Tensor, down: Tensor) -> Tensor:
    """Token by token in float64."""
    rows = []
    for token, experts, weights in zip(x.double(), routing.experts, routing.weights.double(), strict=True):
        parts = [down[e].double() @ (up[e].double() @ token).clamp(min=0).square() for e in experts]
        rows.append(sum((w * part for w, part in zip(weights, parts, strict=True)), 0 * parts[0]))
    return torch.stack(rows)


def hold(weights: Tensor, form: str) -> tuple[Held, Tensor]:
    """Maps in a precision, and the float32 weights that they stand for."""
    if form == "plain":
        return ExpertWeights(weights), weights
    if form == "scaled":
        scale = torch.rand(weights.shape[:2])
        return ExpertWeights(weights.bfloat16(), scale), weights.bfloat16().float() * scale[..., None]
    if form == "fp8":
        each = [fp8.quantise(own) for own in weights]
        scale = torch.stack([own.weight_scale for own in each])[:, None].expand(weights.shape[:2])
        values = torch.stack([own.weight.view(torch.uint8) for own in each]).view(torch.float8_e4m3fn)
        return ExpertWeights(values, scale), torch.stack([fp8.dequantise(own) for own in each])
    packed = [nvfp4.quantise(own) for own in weights]
    scales = torch.stack([own.weight_scale.view(torch.uint8) for own in packed])
    held = Nvfp4Experts(
        weight=torch.stack([own.weight for own in packed]),
        weight_scale=scales.view(torch.float8_e4m3fn),
        weight_scale_2=torch.stack([own.weight_scale_2 for own in packed]),
    )
    return held, torch.stack([nvfp4.dequantise(own) for own in packed])


@pytest.mark.parametrize("tokens", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("form", ["plain", "scaled", "fp8", "nvfp4"])
def test_every_token_gets_its_own_sum(form: str, tokens: int, poisoned: Poisoned, close: Close) -> None:
    width, inner = 48, 80
    x, routing = draw(tokens, width, torch.float32)
    up, up_weights = hold(torch.randn(EXPERTS, inner, width), form)
    down, down_weights = hold(torch.randn(EXPERTS, width, inner), form)
    out = kernel.experts_into(poisoned((tokens, width)), x, routing, up, down)
    expected = exact(x, routing, up_weights, down_weights)
    close(out, expected, "grouped_experts")
    close(reference.grouped_experts(x, routing, up, down), expected, "grouped_experts")


@pytest.mark.parametrize("tokens", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_floats_are_summed_in_float32(dtype: torch.dtype, tokens: int, close: Close) -> None:
    x, routing = draw(tokens, 21, dtype)
    up, down = torch.randn(EXPERTS, 35, 21).to(dtype), torch.randn(EXPERTS, 21, 35).to(dtype)
    out = kernel.grouped_experts(x, routing, ExpertWeights(up), ExpertWeights(down))
    assert out.dtype == dtype
    close(out, exact(x, routing, up, down), "grouped_experts")


@pytest.mark.parametrize("form", ["plain", "nvfp4"])
def test_a_nested_size_reads_its_part_of_the_whole(form: str, close: Close) -> None:
    width, inner = 32, 48
    whole_up, up_weights = hold(torch.randn(EXPERTS + 3, 80, 64), form)
    whole_down, down_weights = hold(torch.randn(EXPERTS + 3, 64, 80), form)
    x, routing = draw(MANY, width, torch.float32)
    out = kernel.grouped_experts(x, routing, cut(whole_up, inner, width), cut(whole_down, width, inner))
    close(
        out,
        exact(x, routing, up_weights[:, :inner, :width], down_weights[:, :width, :inner]),
        "grouped_experts",
    )


def cut(held: Held, outputs: int, inputs: int) -> Held:
    if isinstance(held, Nvfp4Experts):
        return held.cut(EXPERTS, outputs, inputs)
    return ExpertWeights(held.values[:EXPERTS, :outputs, :inputs])


def test_a_large_hidden_value_does_not_overflow_float16(close: Close) -> None:
    x, routing = torch.full((1, 16), 32.0, dtype=torch.float16), draw(1, 16, torch.float16)[1]
    up, down = torch.ones(EXPERTS, 16, 16), torch.full((EXPERTS, 16, 16), 2.0**-10)
    out = kernel.grouped_experts(x, routing, ExpertWeights(up.half()), ExpertWeights(down.half()))
    close(out, exact(x, routing, up, down), "grouped_experts")


def test_no_tokens_give_no_rows() -> None:
    maps = ExpertWeights(torch.ones(EXPERTS, 16, 16))
    routing = Routing(experts=torch.empty(0, 2, dtype=torch.int64), weights=torch.empty(0, 2))
    assert kernel.grouped_experts(torch.empty(0, 16), routing, maps, maps).shape == (0, 16)


def test_the_environment_sends_a_layer_through_the_kernels(
    monkeypatch: pytest.MonkeyPatch, close: Close
) -> None:
    torch.manual_seed(0)
    x, router, bias = torch.randn(5, 16), torch.randn(EXPERTS, 16), torch.zeros(EXPERTS)
    up, down = torch.randn(EXPERTS, 8, 16), torch.randn(EXPERTS, 16, 8)
    rule = RoutingRule(num_chosen=2, num_groups=1, num_kept_groups=1, is_normalised=True, scale=2.5)
    monkeypatch.setenv("NEMOTRON_KERNELS", "triton")
    routing = route(x, router, bias, rule)
    out = grouped_experts(x, routing, ExpertWeights(up), ExpertWeights(down))
    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")
    assert torch.equal(routing.experts, route(x, router, bias, rule).experts)
    close(out, exact(x, routing, up, down), "grouped_experts")
