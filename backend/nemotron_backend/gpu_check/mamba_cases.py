"""How are a Mamba 2 layer's ops checked?"""

from collections.abc import Callable, Iterator

from nemotron_backend.catalog.dimensions import Mamba
from nemotron_backend.floors import Call, Load
from nemotron_backend.floors.hybrid import mamba_calls, scan
from nemotron_backend.gpu_check.case import Case, Trial, each
from nemotron_backend.gpu_check.mamba_tensors import (
    heads_of,
    memory_of,
    mixer_of,
    selection_of,
    state_of,
    widths,
)
from nemotron_backend.gpu_check.peers import convolution_peers, norm_peers, update_peers
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels.causal_conv1d import causal_conv1d_ragged
from nemotron_kernels.chunk_scan import chunk_scan
from nemotron_kernels.gated_group_norm import gated_group_norm
from nemotron_kernels.mamba_step import mamba_step
from nemotron_kernels.ragged import equal_lengths
from nemotron_kernels.state_update import state_update_ragged

_CHUNK = 128
_ACTIVATION_BYTES = 2


def mamba_cases(mamba: Mamba, batch: int) -> Iterator[Case]:
    """A decoding step's three small ops, and the one that is all of them."""
    calls = {call.op: call for call in mamba_calls(mamba, 0, Load(batch=batch))}
    small = {"causal_conv1d": _convolution, "state_update": _update, "gated_group_norm": _norm}
    for op, trial in small.items():
        yield _case(calls[op], mamba, batch, trial)
    yield _case(_fused([calls[op] for op in small], mamba, batch), mamba, batch, _step)


def scan_case(mamba: Mamba, tokens: int) -> Case:
    return _case(scan(mamba, tokens, _CHUNK), mamba, tokens, _scan)


def _case(call: Call, mamba: Mamba, rows: int, trial: Callable[[Tensors, Mamba, int], Trial]) -> Case:
    return Case(
        title=f"{call.name}, {rows} rows",
        precision="bf16",
        floor=call,
        trials=each(lambda tensors: trial(tensors, mamba, rows)),
    )


def _fused(calls: list[Call], mamba: Mamba, batch: int) -> Call:
    """What goes from one op to the next is neither written nor read."""
    inner, channels = widths(mamba)
    between = 2 * batch * (channels + inner) * _ACTIVATION_BYTES
    return Call(
        op="mamba_step",
        name="convolution, update, norm",
        weights=sum(call.weights for call in calls),
        kept=sum(call.kept for call in calls),
        activations=sum(call.activations for call in calls) - between,
        operations=sum(call.operations for call in calls),
    )


def _convolution(tensors: Tensors, mamba: Mamba, batch: int) -> Trial:
    taps, taps_filter = memory_of(tensors, mamba, batch).taps, mixer_of(tensors, mamba).taps_filter
    x, ragged = tensors.normal(batch, widths(mamba)[1]), equal_lengths(batch, 1, tensors.device)
    return Trial(
        run=lambda: causal_conv1d_ragged(x, taps, ragged, taps_filter),
        changed=(taps,),
        peers=convolution_peers(x, taps, taps_filter),
    )


def _update(tensors: Tensors, mamba: Mamba, batch: int) -> Trial:
    selection, heads = selection_of(tensors, mamba, batch), heads_of(tensors, mamba)
    pool, ragged = state_of(tensors, mamba, batch), equal_lengths(batch, 1, tensors.device)
    return Trial(
        run=lambda: state_update_ragged(selection, heads, pool, ragged),
        changed=(pool,),
        peers=update_peers(selection, heads, pool.clone()),
    )


def _norm(tensors: Tensors, mamba: Mamba, batch: int) -> Trial:
    mixer, inner = mixer_of(tensors, mamba), widths(mamba)[0]
    x, gate = tensors.normal(batch, inner), tensors.normal(batch, inner)
    return Trial(
        run=lambda: gated_group_norm(x, gate, mixer.norm, mamba.groups, mixer.epsilon),
        peers=norm_peers(x, gate, mixer.norm, mamba.groups, mixer.epsilon),
    )


def _step(tensors: Tensors, mamba: Mamba, batch: int) -> Trial:
    mixer, memory = mixer_of(tensors, mamba), memory_of(tensors, mamba, batch)
    projected = tensors.normal(batch, sum(widths(mamba)) + mamba.heads)
    slots = equal_lengths(batch, 1, tensors.device).slots
    return Trial(run=lambda: mamba_step(projected, mixer, memory, slots), changed=(memory.taps, memory.state))


def _scan(tensors: Tensors, mamba: Mamba, tokens: int) -> Trial:
    selection, heads = selection_of(tensors, mamba, 1, tokens), heads_of(tensors, mamba)
    state = state_of(tensors, mamba, 1)
    return Trial(run=lambda: chunk_scan(selection, heads, state, _CHUNK))
