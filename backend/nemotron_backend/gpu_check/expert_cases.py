"""How are the router and the experts checked?"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.catalog.dimensions import Experts
from nemotron_backend.floors import Call, Load
from nemotron_backend.floors.hybrid import expert_calls
from nemotron_backend.gpu_check.case import Case, Results, Trial, each
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels.expert_groups import group_by_expert
from nemotron_kernels.grouped_experts import ExpertMaps, ExpertWeights, Nvfp4Experts, grouped_experts
from nemotron_kernels.nvfp4 import BLOCK
from nemotron_kernels.router import Routing, RoutingRule, route

_TILE = 16
_SCALE = 2.5


def expert_cases(experts: Experts, hidden: int, rows: int) -> Iterator[Case]:
    """Choosing, grouping, and the experts themselves in every precision."""
    width = experts.latent or hidden
    router, *_ = expert_calls(experts, hidden, Load(batch=rows))
    title = f"{router.name}, {rows} rows"
    yield Case(
        title=title,
        precision="fp32",
        floor=router,
        trials=each(lambda tensors: _route(tensors, experts, hidden, rows)),
    )
    grouping = Call(op="expert_groups", name=router.name, activations=8 * rows * experts.active)
    yield Case(
        title=title,
        precision="int32",
        floor=grouping,
        trials=each(lambda tensors: _group(tensors, experts, rows)),
    )
    for precision in PRECISIONS:
        yield _experts_case(experts, width, Load(precision=precision, batch=rows))


def rule_of(experts: Experts) -> RoutingRule:
    return RoutingRule(
        num_chosen=experts.active, num_groups=1, num_kept_groups=1, is_normalised=True, scale=_SCALE
    )


def maps_of(tensors: Tensors, precision: Precision, experts: int, outputs: int, inputs: int) -> ExpertMaps:
    """One map an expert, all of one spread."""
    spread = inputs**-0.5
    if precision == "nvfp4":
        return Nvfp4Experts(
            weight=tensors.bits(experts, outputs, inputs // 2),
            weight_scale=tensors.block_scales(experts, outputs, inputs // BLOCK),
            weight_scale_2=tensors.number(spread / 3).expand(experts).contiguous(),
        )
    if precision == "fp8":
        values = tensors.normal(experts, outputs, inputs, dtype=torch.float8_e4m3fn)
        return ExpertWeights(values, tensors.number(spread).expand(experts, outputs).contiguous())
    return ExpertWeights(tensors.normal(experts, outputs, inputs, spread=spread))


def _experts_case(experts: Experts, width: int, load: Load) -> Case:
    calls = [call for call in expert_calls(experts, width, load) if call.op == "grouped_experts"]
    floor = Call(
        op="grouped_experts",
        name=f"{experts.active} of {experts.routed}",
        weights=sum(call.weights for call in calls),
        activations=2 * load.rows * width * 2,
        operations=sum(call.operations for call in calls),
    )
    return Case(
        title=f"{floor.name}, {width} to {experts.width} and back, {load.rows} rows",
        precision=load.precision,
        floor=floor,
        trials=lambda tensors, count: _experts(tensors, experts, width, load, count),
    )


def _experts(tensors: Tensors, experts: Experts, width: int, load: Load, count: int) -> Sequence[Trial]:
    """One set of weights, visited by other experts in every trial."""
    up = maps_of(tensors, load.precision, experts.routed, experts.width, width)
    down = maps_of(tensors, load.precision, experts.routed, width, experts.width)
    return [_visit(tensors, experts, tensors.normal(load.rows, width), up, down) for _ in range(count)]


def _visit(tensors: Tensors, experts: Experts, x: Tensor, up: ExpertMaps, down: ExpertMaps) -> Trial:
    routing = _routing(tensors, experts, len(x))
    return Trial(run=lambda: grouped_experts(x, routing, up, down))


def _routing(tensors: Tensors, experts: Experts, rows: int) -> Routing:
    scores = tensors.normal(rows, experts.routed, dtype=torch.float32)
    chosen = scores.topk(experts.active, dim=-1)
    return Routing(experts=chosen.indices, weights=chosen.values.sigmoid())


def _route(tensors: Tensors, experts: Experts, hidden: int, rows: int) -> Trial:
    x = tensors.normal(rows, hidden)
    weight = tensors.normal(experts.routed, hidden, spread=hidden**-0.5, dtype=torch.float32)
    bias = tensors.normal(experts.routed, spread=0.1, dtype=torch.float32)
    rule = rule_of(experts)

    def by_expert() -> Results:
        """Weights at their experts' places, since the order of equals is nobody's promise."""
        routing = route(x, weight, bias, rule)
        empty = torch.zeros(rows, experts.routed, device=x.device)
        return empty.scatter(1, routing.experts.long(), routing.weights)

    return Trial(
        run=by_expert,
        peers={"torch": lambda: F.linear(x.float(), weight).sigmoid().add(bias).topk(experts.active)},
    )


def _group(tensors: Tensors, experts: Experts, rows: int) -> Trial:
    chosen = _routing(tensors, experts, rows).experts

    def group() -> Results:
        groups = group_by_expert(chosen, experts.routed, _TILE)
        return groups.rows, groups.experts

    return Trial(run=group, peers={"torch's sort": lambda: chosen.flatten().sort(stable=True)})
