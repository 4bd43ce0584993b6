"""How does a token pass through experts, or through one wide map?"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.inventory import prefix
from nemotron_backend.model.mixer import Pass
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.state_cache import NoCache
from nemotron_kernels.grouped_experts import grouped_experts
from nemotron_kernels.router import RoutingRule, choose_experts


class MlpMixer:
    """down(relu(up(x))^2), without a gate."""

    def __init__(self, parts: Parts, start: str) -> None:
        self._up = parts.linears[f"{start}up_proj.weight"]
        self._down = parts.linears[f"{start}down_proj.weight"]

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        return self.map(normed)

    def map(self, rows: Tensor) -> Tensor:
        """The map itself, which a shared expert is too."""
        return self._down(torch.relu(self._up(rows)).square_())

    def make_cache(self, capacity: int) -> NoCache:
        return NoCache()


class ExpertsMixer:
    """Routed experts, in the latent width where there is one, beside the shared expert.

    Router and shared expert read the full hidden width; the shared expert's output is not scaled.
    """

    def __init__(self, config: NemotronHConfig, parts: Parts, layer: int) -> None:
        start = prefix(layer)
        self._rule = RoutingRule(
            num_chosen=config.num_experts_per_tok,
            num_groups=config.n_group,
            num_kept_groups=config.topk_group,
            is_normalised=config.norm_topk_prob,
            scale=config.routed_scaling_factor,
        )
        self._router = parts.tensors[f"{start}gate.weight"]
        self._correction = parts.tensors[f"{start}gate.e_score_correction_bias"]
        self._up = parts.experts[f"{start}experts.*.up_proj.weight"]
        self._down = parts.experts[f"{start}experts.*.down_proj.weight"]
        self._shared = MlpMixer(parts, f"{start}shared_experts.")
        self._into_latent = parts.linears.get(f"{start}fc1_latent_proj.weight")
        self._out_of_latent = parts.linears.get(f"{start}fc2_latent_proj.weight")

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        routing = choose_experts(self._scores(normed, forward), self._correction, self._rule)
        rows = normed if self._into_latent is None else self._into_latent(normed)
        routed = grouped_experts(rows, routing, self._up, self._down)
        if self._out_of_latent is not None:
            routed = self._out_of_latent(routed)
        return routed + self._shared.map(normed)

    def _scores(self, normed: Tensor, forward: Pass) -> Tensor:
        # The router is not packed, and a plain product of one row is another one than that of several.
        rows = torch.split(normed, 1) if forward.is_row_invariant else (normed,)
        return torch.cat([F.linear(row, self._router) for row in rows])

    def make_cache(self, capacity: int) -> NoCache:
        return NoCache()
