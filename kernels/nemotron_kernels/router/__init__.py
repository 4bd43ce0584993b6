"""Which experts does a token visit, and with what weight?

p = sigmoid(x . weight^T) in float32. The correction bias moves only the choice: the top k experts by
p + bias, taken from the `num_kept_groups` groups whose two best scores sum highest. The weights are the
plain p of the chosen ones, over their sum where `is_normalised`, times `scale`.
"""

from nemotron_kernels.router.reference import Routing, RoutingRule, choose_experts, route

__all__ = ["Routing", "RoutingRule", "choose_experts", "route"]
