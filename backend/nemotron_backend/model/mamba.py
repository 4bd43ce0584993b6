"""How does a Mamba 2 layer carry each sequence's state through a ragged batch?

Sequences with one new token take the step together. A longer run is scanned on its own, in pieces that
end where its state is wanted; a piece of one token is a step, so that tokens which may be taken back get
the numbers that they would get one by one.
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import not_

import torch
from torch import Tensor

from nemotron_backend.model.inventory import prefix
from nemotron_backend.model.mixer import Pass
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.network import Segment
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.state_cache import State, StateCache, stops
from nemotron_kernels.causal_conv1d import causal_conv1d
from nemotron_kernels.chunk_scan import chunk_scan
from nemotron_kernels.gated_group_norm import gated_group_norm
from nemotron_kernels.native import native_code
from nemotron_kernels.native.mamba import MambaShape, NativeMamba, fits
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import state_update

# Every pair of tokens in a chunk costs an exponential for each head: longer chunks take longer here.
_LARGEST_CHUNK = 64


class MambaMixer:
    """Projection, convolution, state space, gated norm, projection."""

    def __init__(self, config: NemotronHConfig, parts: Parts, layer: int) -> None:
        start, tensors = prefix(layer), parts.tensors
        self._config = config
        self._layer = layer
        self._input = parts.linears[f"{start}in_proj.weight"]
        self._output = parts.linears[f"{start}out_proj.weight"]
        # Every tap is read as one vector.
        self._taps = tensors[f"{start}conv1d.weight"].squeeze(1).T.contiguous().T
        self._taps_bias = tensors.get(f"{start}conv1d.bias")
        self._norm = tensors[f"{start}norm.weight"]
        self._heads = HeadParameters(
            a=-torch.exp(tensors[f"{start}A_log"]),
            d=tensors[f"{start}D"],
            dt_bias=tensors[f"{start}dt_bias"],
        )
        self._native = self._make_native()
        self._chunk_size = min(config.chunk_size, _LARGEST_CHUNK)
        self._empty = self._make_empty()

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        config = self._config
        widths = [config.inner_size, config.convolution_size, config.mamba_num_heads]
        projected = self._input(normed)
        is_stepped = [self._native is not None and _is_stepped(segment) for segment in forward.segments]
        stepped = list(compress(forward.segments, is_stepped))
        if len(stepped) == len(forward.segments):
            return self._output(self._step_natively(projected, stepped))
        gate, mixed, dt = projected.split_with_sizes(widths, dim=-1)
        others = list(compress(forward.segments, map(not_, is_stepped)))
        outputs = self._mix(mixed, dt, others)
        outputs = gated_group_norm(outputs, gate, self._norm, config.n_groups, config.layer_norm_epsilon)
        for segment in stepped:
            own = slice(segment.start, segment.start + segment.length)
            outputs[own] = self._step_natively(projected[own], [segment])
        return self._output(outputs)

    def make_cache(self, capacity: int) -> StateCache:
        return StateCache(self._empty)

    def _step_natively(self, projected: Tensor, segments: Sequence[Segment]) -> Tensor:
        """The outputs of all rows, behind gate and norm, of segments whose every state is wanted."""
        assert self._native is not None
        caches = [self._cache(segment) for segment in segments]
        if all(segment.length == 1 for segment in segments):
            before = [cache.current for cache in caches]
            together, after = _advance(self._native, projected, before)
            for cache, segment, state in zip(caches, segments, after, strict=True):
                cache.extend(segment, [state])
            return together
        rows = iter(torch.split(projected, 1))
        outputs: list[Tensor] = []
        for cache, segment in zip(caches, segments, strict=True):
            states = [cache.current]
            for _ in range(segment.length):
                output, reached = _advance(self._native, next(rows), states[-1:])
                outputs.append(output)
                states += reached
            cache.extend(segment, states[1:])
        return torch.cat(outputs)

    def _make_native(self) -> NativeMamba | None:
        config, code = self._config, native_code()
        shape = MambaShape(
            num_heads=config.mamba_num_heads,
            head_dim=config.mamba_head_dim,
            num_groups=config.n_groups,
            state_size=config.ssm_state_size,
            epsilon=config.layer_norm_epsilon,
        )
        if code is None or not fits(shape):
            return None
        return NativeMamba(code, shape, (self._taps, self._taps_bias), self._norm, self._heads)

    def _mix(self, mixed: Tensor, dt: Tensor, segments: Sequence[Segment]) -> Tensor:
        """The outputs of every row, before gate and norm."""
        steps = [segment for segment in segments if segment.length == 1]
        if len(steps) == len(segments):
            return self._step(mixed, dt, segments)
        outputs = mixed.new_empty(len(mixed), self._config.inner_size)
        if steps:
            rows = torch.tensor([segment.start for segment in steps])
            outputs[rows] = self._step(mixed[rows], dt[rows], steps)
        for segment in segments:
            if segment.length > 1:
                own = slice(segment.start, segment.start + segment.length)
                outputs[own] = self._scan(mixed[own], dt[own], segment)
        return outputs

    def _step(self, mixed: Tensor, dt: Tensor, segments: Sequence[Segment]) -> Tensor:
        """One token of each of several sequences."""
        caches = [self._cache(segment) for segment in segments]
        convolved, taps = self._convolve(mixed[:, None], _together([held.current.taps for held in caches]))
        state = _together([held.current.state for held in caches])
        outputs, state = state_update(self._selection(convolved[:, 0], dt), self._heads, state)
        for cache, segment, own in zip(caches, segments, _apart(taps, state), strict=True):
            cache.extend(segment, [own])
        return outputs.flatten(1)

    def _scan(self, mixed: Tensor, dt: Tensor, segment: Segment) -> Tensor:
        """Several tokens of one sequence."""
        cache = self._cache(segment)
        taps, state = cache.current.taps[None], cache.current.state[None]
        outputs: list[Tensor] = []
        states: list[State] = []
        for piece in _pieces(segment):
            convolved, taps = self._convolve(mixed[None, piece], taps)
            output, state = self._pass(convolved, dt[None, piece], state)
            outputs.append(output)
            states.append(State(taps=taps[0], state=state[0]))
        cache.extend(segment, states)
        return torch.cat(outputs).flatten(1)

    def _pass(self, convolved: Tensor, dt: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One piece of a sequence: its outputs [tokens, H, P], and the state behind it."""
        if dt.shape[1] == 1:
            return state_update(self._selection(convolved[:, 0], dt[:, 0]), self._heads, state)
        selection = self._selection(convolved, dt)
        output, final = chunk_scan(selection, self._heads, state, self._chunk_size)
        return output[0], final

    def _convolve(self, mixed: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
        return causal_conv1d(mixed, taps, self._taps, self._taps_bias)

    def _selection(self, convolved: Tensor, dt: Tensor) -> Selection:
        config = self._config
        half = config.selection_size // 2
        x, b, c = convolved.split_with_sizes([config.inner_size, half, half], dim=-1)
        return Selection(
            x=x.view(*dt.shape, config.mamba_head_dim),
            dt=dt,
            b=b.view(*dt.shape[:-1], config.n_groups, config.ssm_state_size),
            c=c.view(*dt.shape[:-1], config.n_groups, config.ssm_state_size),
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


def _is_stepped(segment: Segment) -> bool:
    """Whether the state behind every token is wanted, so that each is a step of its own."""
    return segment.length == 1 or segment.is_revocable


def _advance(native: NativeMamba, projected: Tensor, states: Sequence[State]) -> tuple[Tensor, list[State]]:
    outputs, taps, after = native.step(projected, [own.taps for own in states], [own.state for own in states])
    return outputs, [State(taps=t, state=s) for t, s in zip(taps, after, strict=True)]


def _together(own: Sequence[Tensor]) -> Tensor:
    """A batch of each sequence's tensor; one alone is not copied."""
    return own[0][None] if len(own) == 1 else torch.stack(list(own))


def _apart(taps: Tensor, state: Tensor) -> list[State]:
    """Each sequence's own state: a view would keep the whole batch's memory alive."""
    if len(state) == 1:
        return [State(taps=taps[0], state=state[0])]
    return [State(taps=own.clone(), state=held.clone()) for own, held in zip(taps, state, strict=True)]


def _pieces(segment: Segment) -> Iterator[slice]:
    """The rows of a segment, cut where its state is wanted."""
    start = 0
    for stop in stops(segment):
        yield slice(start, stop - segment.position)
        start = stop - segment.position
