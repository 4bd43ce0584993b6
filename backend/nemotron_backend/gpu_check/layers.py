"""What do a few layers of a network compute, written with the ops alone?

No weights are loaded and no rotary angles applied: this is for times and for agreement of two paths.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.catalog.dimensions import Attention, Dimensions, Experts, FeedForward, Mamba
from nemotron_backend.floors import Load
from nemotron_backend.gpu_check.attention_cases import PAGE, cache_of
from nemotron_backend.gpu_check.expert_cases import maps_of, rule_of
from nemotron_backend.gpu_check.mamba_tensors import memory_of, mixer_of, widths
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels.block_attention import block_attention, both_ways, causal, lay_out
from nemotron_kernels.grouped_experts import grouped_experts
from nemotron_kernels.mamba_step import mamba_step
from nemotron_kernels.quantised_linear import linear
from nemotron_kernels.ragged import equal_lengths
from nemotron_kernels.rms_norm import add_rms_norm
from nemotron_kernels.router import route

_EPSILON = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What comes between a norm and the residual, and which memory it changes."""

    mix: Callable[[Tensor], Tensor]
    changed: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Layers in a row, each behind a norm."""

    layers: tuple[Layer, ...]
    norm: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        residual, mixed = x, torch.zeros_like(x)
        for layer in self.layers:
            normed, residual = add_rms_norm(mixed, residual, self.norm, _EPSILON)
            mixed = layer.mix(normed)
        return residual + mixed


def stack_of(tensors: Tensors, dimensions: Dimensions, load: Load) -> Stack:
    layers = _layers(tensors, dimensions, load)
    return Stack(layers=tuple(layers), norm=tensors.normal(dimensions.hidden, spread=0.1).add_(1))


def _layers(tensors: Tensors, dimensions: Dimensions, load: Load) -> Iterator[Layer]:
    for kind in dimensions.pattern * dimensions.repeats:
        if kind == "M" and dimensions.mamba:
            yield _mamba(tensors, dimensions.mamba, dimensions.hidden, load)
        if kind == "E" and dimensions.experts:
            yield _experts(tensors, dimensions.experts, dimensions.hidden, load)
        if kind == "*" and dimensions.attention:
            yield _attention(tensors, dimensions.attention, dimensions.hidden, load)
        if kind == "-" and dimensions.feed_forward:
            yield _feed_forward(tensors, dimensions.feed_forward, dimensions.hidden, load)


def _mamba(tensors: Tensors, mamba: Mamba, hidden: int, load: Load) -> Layer:
    inner, channels = widths(mamba)
    into = tensors.weight(load.precision, inner + channels + mamba.heads, hidden)
    out_of = tensors.weight(load.precision, hidden, inner)
    mixer, memory = mixer_of(tensors, mamba), memory_of(tensors, mamba, load.batch)
    slots = equal_lengths(load.batch, 1, tensors.device).slots
    return Layer(
        mix=lambda x: linear(mamba_step(linear(x, into), mixer, memory, slots), out_of),
        changed=(memory.taps, memory.state),
    )


def _experts(tensors: Tensors, experts: Experts, hidden: int, load: Load) -> Layer:
    width = experts.latent or hidden
    router = tensors.normal(experts.routed, hidden, spread=hidden**-0.5, dtype=torch.float32)
    bias, rule = tensors.normal(experts.routed, spread=0.1, dtype=torch.float32), rule_of(experts)
    up = maps_of(tensors, load.precision, experts.routed, experts.width, width)
    down = maps_of(tensors, load.precision, experts.routed, width, experts.width)
    shared_up = tensors.weight(load.precision, experts.shared_width, hidden)
    shared_down = tensors.weight(load.precision, hidden, experts.shared_width)
    into, out_of = tensors.weight("bf16", width, hidden), tensors.weight("bf16", hidden, width)

    def mix(x: Tensor) -> Tensor:
        narrow = linear(x, into) if experts.latent else x
        routed = grouped_experts(narrow, route(x, router, bias, rule), up, down)
        shared = linear(F.relu(linear(x, shared_up)).square(), shared_down)
        return shared + (linear(routed, out_of) if experts.latent else routed)

    return Layer(mix=mix)


def _attention(tensors: Tensors, attention: Attention, hidden: int, load: Load) -> Layer:
    heads, kept, size = attention.query_heads, attention.key_value_heads, attention.head_dim
    qkv = tensors.weight("bf16", (heads + 2 * kept) * size, hidden)
    out_of = tensors.weight("bf16", hidden, heads * size)
    cache, pages = cache_of(tensors, attention, load)
    sight = (both_ways if load.tokens > 1 else causal)(load.context, load.tokens)
    layout = lay_out([sight] * load.batch, pages)
    places = torch.arange(load.context, load.context + load.tokens, device=tensors.device)
    page, place = pages[:, places // PAGE].flatten(), (places % PAGE).repeat(load.batch)

    def mix(x: Tensor) -> Tensor:
        by_head = linear(x, qkv).view(len(x), -1, size)
        queries, keys, values = by_head.split_with_sizes([heads, kept, kept], dim=1)
        cache.keys[page, place], cache.values[page, place] = keys, values
        seen = block_attention(queries.contiguous(), cache, layout, size**-0.5)
        return linear(seen.flatten(1), out_of)

    return Layer(mix=mix, changed=(cache.keys, cache.values))


def _feed_forward(tensors: Tensors, layer: FeedForward, hidden: int, load: Load) -> Layer:
    up = tensors.weight(load.precision, (2 if layer.gated else 1) * layer.width, hidden)
    down = tensors.weight(load.precision, hidden, layer.width)

    def mix(x: Tensor) -> Tensor:
        wide = linear(x, up)
        if layer.gated:
            gate, own = wide.chunk(2, dim=-1)
            return linear(F.silu(gate) * own, down)
        return linear(F.relu(wide).square(), down)

    return Layer(mix=mix)
