"""Which experts does a token visit, and with what weight?

p = sigmoid(x . weight^T) in float32. The correction bias moves only the choice: the top k experts by
p + bias, taken from the `num_kept_groups` groups whose two best scores sum highest. The weights are the
plain p of the chosen ones, over their sum where `is_normalised`, times `scale`.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.router import reference
from nemotron_kernels.router.reference import Routing, RoutingRule

__all__ = ["Routing", "RoutingRule", "choose_experts", "route"]


def route(x: Tensor, weight: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """Choose experts for the tokens `x` [tokens, hidden] by the router's `weight` [experts, hidden]."""
    if runs_triton(x):
        from nemotron_kernels.router import kernel

        return kernel.route(x, weight, correction_bias, rule)
    return reference.route(x, weight, correction_bias, rule)


def choose_experts(logits: Tensor, correction_bias: Tensor, rule: RoutingRule) -> Routing:
    """The same from the float32 product [tokens, experts]."""
    if runs_triton(logits):
        from nemotron_kernels.router import kernel

        return kernel.choose_experts(logits, correction_bias, rule)
    return reference.choose_experts(logits, correction_bias, rule)
