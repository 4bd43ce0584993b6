"""Which public kernels do the same, and how are they called?

Each is asked for only if it imports here; the names and arguments are those of their published releases.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from nemotron_kernels.causal_conv1d import Filter
from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.quantised_linear import Weight
from nemotron_kernels.state_space import HeadParameters, Selection

Peers = Mapping[str, Callable[[], object]]
PACKAGES = ("mamba_ssm", "causal_conv1d")


def missing() -> tuple[str, ...]:
    """Packages that are not installed, so that their kernels are not compared."""
    return tuple(package for package in PACKAGES if find_spec(package) is None)


def convolution_peers(x: Tensor, taps: Tensor, taps_filter: Filter) -> Peers:
    update = _find("causal_conv1d", "causal_conv1d_update")
    # It keeps its taps channel by channel, and as many of them as the filter is long.
    kept = taps.new_zeros(*taps.shape[::2], taps_filter.weight.shape[1])
    weight, bias = taps_filter.weight, taps_filter.bias
    return {"causal_conv1d": lambda: update(x, kept, weight, bias, activation="silu")} if update else {}


def update_peers(selection: Selection, heads: HeadParameters, pool: Tensor) -> Peers:
    update = _find("mamba_ssm.ops.triton.selective_state_update", "selective_state_update")
    if update is None:
        return {}
    num_channels, size = pool.shape[2:]
    a = heads.a[:, None, None].expand(-1, num_channels, size)
    d, bias = (part[:, None].expand(-1, num_channels) for part in (heads.d, heads.dt_bias))
    dt = selection.dt[..., None].expand(-1, -1, num_channels)
    return {
        "mamba_ssm": lambda: update(
            pool, selection.x, dt, a, selection.b, selection.c, D=d, dt_bias=bias, dt_softplus=True
        )
    }


def norm_peers(x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float) -> Peers:
    norm = _find("mamba_ssm.ops.triton.layernorm_gated", "rmsnorm_fn")
    width = x.shape[-1] // num_groups
    if norm is None:
        return {}
    return {
        "mamba_ssm": lambda: norm(
            x, weight, None, z=gate, eps=epsilon, group_size=width, norm_before_gate=False
        )
    }


def scaled_peers(x: Tensor, weight: Weight, scale: Tensor) -> Peers:
    """cuBLAS takes FP8 times FP8 on Hopper and later."""
    if not isinstance(weight, Fp8Weight) or not x.is_cuda or torch.cuda.get_device_capability() < (9, 0):
        return {}
    codes = torch.empty_like(x, dtype=torch.float8_e4m3fn)
    multiply: Any = torch._scaled_mm  # torch has no other entry to it yet

    def scaled() -> object:
        codes.copy_(x / scale)
        return multiply(
            codes, weight.weight.T, scale_a=scale, scale_b=weight.weight_scale, out_dtype=torch.bfloat16
        )

    return {"cuBLAS in fp8": scaled}


def _find(module: str, name: str) -> Callable[..., Any] | None:
    if find_spec(module.partition(".")[0]) is None:
        return None
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
