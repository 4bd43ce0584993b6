"""How does a Mamba 2 layer carry each sequence's state through a ragged batch?

Sequences with one new token take the step together. A longer run is scanned on its own, in pieces that
end where its state is wanted.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, unflatten

from nemotron_backend.model.inventory import prefix
from nemotron_backend.model.mixer import Pass
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.network import Segment
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.state_cache import State, StateCache, stops
from nemotron_kernels.causal_conv1d import causal_conv1d
from nemotron_kernels.chunk_scan import chunk_scan
from nemotron_kernels.gated_group_norm import gated_group_norm
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import state_update


class MambaMixer:
    """Projection, convolution, state space, gated norm, projection."""

    def __init__(self, config: NemotronHConfig, parts: Parts, layer: int) -> None:
        start, tensors = prefix(layer), parts.tensors
        self._config = config
        self._layer = layer
        self._input = parts.linears[f"{start}in_proj.weight"]
        self._output = parts.linears[f"{start}out_proj.weight"]
        self._taps = tensors[f"{start}conv1d.weight"].squeeze(1)
        self._taps_bias = tensors.get(f"{start}conv1d.bias")
        self._norm = tensors[f"{start}norm.weight"]
        self._heads = HeadParameters(
            a=-torch.exp(tensors[f"{start}A_log"]),
            d=tensors[f"{start}D"],
            dt_bias=tensors[f"{start}dt_bias"],
        )
        self._empty = self._make_empty()

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        config = self._config
        widths = [config.inner_size, config.convolution_size, config.mamba_num_heads]
        gate, mixed, dt = torch.split(self._input(normed), widths, dim=-1)
        outputs = normed.new_empty(len(normed), config.inner_size)
        steps = [segment for segment in forward.segments if segment.length == 1]
        if steps:
            rows = _rows(steps, len(normed))
            outputs[rows] = self._step(mixed[rows], dt[rows], steps)
        for segment in forward.segments:
            if segment.length > 1:
                rows = slice(segment.start, segment.start + segment.length)
                outputs[rows] = self._scan(mixed[rows], dt[rows], segment)
        outputs = gated_group_norm(outputs, gate, self._norm, config.n_groups, config.layer_norm_epsilon)
        return self._output(outputs)

    def make_cache(self, capacity: int) -> StateCache:
        return StateCache(self._empty)

    def _step(self, mixed: Tensor, dt: Tensor, segments: Sequence[Segment]) -> Tensor:
        """One token of each of several sequences."""
        caches = [self._cache(segment) for segment in segments]
        convolved, taps = self._convolve(
            mixed[:, None], torch.stack([cache.current.taps for cache in caches])
        )
        selection = self._selection(convolved[:, 0], dt)
        state = torch.stack([cache.current.state for cache in caches])
        outputs, state = state_update(selection, self._heads, state)
        for cache, segment, own in zip(caches, segments, _apart(taps, state), strict=True):
            cache.extend(segment, [own])
        return outputs.flatten(1)

    def _scan(self, mixed: Tensor, dt: Tensor, segment: Segment) -> Tensor:
        """Several tokens of one sequence."""
        cache = self._cache(segment)
        state = cache.current
        outputs: list[Tensor] = []
        states: list[State] = []
        for piece in _pieces(segment):
            convolved, taps = self._convolve(mixed[None, piece], state.taps[None])
            output, final = chunk_scan(
                self._selection(convolved, dt[None, piece]),
                self._heads,
                state.state[None],
                self._config.chunk_size,
            )
            state = State(taps=taps[0], state=final[0])
            outputs.append(output[0])
            states.append(state)
        cache.extend(segment, states)
        return torch.cat(outputs).flatten(1)

    def _convolve(self, mixed: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
        return causal_conv1d(mixed, taps, self._taps, self._taps_bias)

    def _selection(self, convolved: Tensor, dt: Tensor) -> Selection:
        config = self._config
        half = config.selection_size // 2
        x, b, c = torch.split(convolved, [config.inner_size, half, half], dim=-1)
        return Selection(
            x=unflatten(x, -1, (config.mamba_num_heads, config.mamba_head_dim)),
            dt=dt,
            b=unflatten(b, -1, (config.n_groups, config.ssm_state_size)),
            c=unflatten(c, -1, (config.n_groups, config.ssm_state_size)),
        )

    def _cache(self, segment: Segment) -> StateCache:
        cache = segment.cache[self._layer]
        if not isinstance(cache, StateCache):
            raise TypeError("a Mamba layer was given another layer's cache")
        if cache.length != segment.position:
            raise ValueError(
                f"the cache holds {cache.length} tokens, the segment starts at {segment.position}"
            )
        return cache

    def _make_empty(self) -> State:
        config = self._config
        return State(
            taps=torch.zeros(config.conv_kernel - 1, config.convolution_size),
            state=torch.zeros(config.mamba_num_heads, config.mamba_head_dim, config.ssm_state_size),
        )


def _apart(taps: Tensor, state: Tensor) -> list[State]:
    """Each sequence's own state: a view would keep the whole batch's memory alive."""
    if len(state) == 1:
        return [State(taps=taps[0], state=state[0])]
    return [State(taps=own.clone(), state=held.clone()) for own, held in zip(taps, state, strict=True)]


def _rows(steps: Sequence[Segment], num_rows: int) -> Tensor | slice:
    """Where the single tokens lie; a batch of nothing else needs no gathering."""
    starts = [segment.start for segment in steps]
    return slice(None) if starts == list(range(num_rows)) else torch.tensor(starts)


def _pieces(segment: Segment) -> Iterator[slice]:
    """The rows of a segment, cut where its state is wanted."""
    start = 0
    for stop in stops(segment):
        yield slice(start, stop - segment.position)
        start = stop - segment.position
