"""Which calls do the layers of a hybrid make: Mamba2 and experts?"""

from collections.abc import Iterator

from nemotron_backend.catalog.dimensions import Experts, Mamba
from nemotron_backend.floors.call import ACTIVATION_BYTES, WEIGHT_BYTES, Call, Load, product

_FLOAT32 = 4
# Of one element: decay, input, their sum, and the product and sum of the output.
_STATE_OPERATIONS = 5
_ACTIVATION_OPERATIONS = 4
_NORM_OPERATIONS = 8


def mamba_calls(mamba: Mamba, hidden: int, load: Load) -> Iterator[Call]:
    """Projections as the precision has them, and three small ops."""
    inner = mamba.heads * mamba.head_dim
    convolved = inner + 2 * mamba.groups * mamba.state
    yield product("in_proj", (inner + convolved + mamba.heads, hidden), load, load.precision)
    yield _convolution(convolved, mamba.convolution, load)
    yield _state_update(mamba, load)
    yield Call(
        op="gated_group_norm",
        name=f"{mamba.groups} groups of {inner // mamba.groups}",
        weights=inner * ACTIVATION_BYTES,
        activations=3 * load.rows * inner * ACTIVATION_BYTES,
        operations=_NORM_OPERATIONS * load.rows * inner,
    )
    yield product("out_proj", (hidden, inner), load, load.precision)


def _convolution(channels: int, taps: int, load: Load) -> Call:
    return Call(
        op="causal_conv1d",
        name=f"{channels} channels",
        weights=channels * (taps + 1) * ACTIVATION_BYTES,
        kept=2 * load.batch * channels * (taps - 1) * ACTIVATION_BYTES,
        activations=2 * load.rows * channels * ACTIVATION_BYTES,
        operations=load.rows * channels * (2 * taps + _ACTIVATION_OPERATIONS),
    )


def _state_update(mamba: Mamba, load: Load) -> Call:
    inner = mamba.heads * mamba.head_dim
    numbers = inner * mamba.state
    in_and_out = 2 * inner + 2 * mamba.groups * mamba.state + mamba.heads
    return Call(
        op="state_update",
        name=f"{mamba.heads}x{mamba.head_dim}x{mamba.state}, {8 * load.state} bits",
        weights=3 * mamba.heads * _FLOAT32,
        kept=2 * load.batch * numbers * load.state,
        activations=load.rows * in_and_out * ACTIVATION_BYTES,
        operations=_STATE_OPERATIONS * load.rows * numbers,
    )


def scan(mamba: Mamba, tokens: int, chunk: int = 128) -> Call:
    """The scan of a prompt with its states on the chip: products within a chunk, and with its state."""
    inner = mamba.heads * mamba.head_dim
    shared = mamba.groups * mamba.state
    within = 2 * chunk * (shared + inner)
    return Call(
        op="chunk_scan",
        name=f"{tokens} tokens in chunks of {chunk}",
        kept=2 * inner * mamba.state * _FLOAT32,
        activations=tokens * (2 * inner + 2 * shared + mamba.heads) * ACTIVATION_BYTES,
        operations=tokens * (within + 4 * inner * mamba.state),
    )


def expert_calls(experts: Experts, hidden: int, load: Load) -> Iterator[Call]:
    """Router, routed experts in one launch a matrix, shared expert, and the latent projections if any."""
    yield Call(
        op="router",
        name=f"{experts.active} of {experts.routed}",
        weights=experts.routed * hidden * _FLOAT32,
        activations=load.rows * (hidden * ACTIVATION_BYTES + experts.active * 2 * _FLOAT32),
        operations=2.0 * load.rows * experts.routed * hidden,
    )
    if experts.latent:
        yield product("into latent", (experts.latent, hidden), load, "bf16")
        yield product("out of latent", (hidden, experts.latent), load, "bf16")
    width = experts.latent or hidden
    yield _grouped("up, squared ReLU", experts, width, load)
    yield _grouped("down, weighted sum", experts, width, load)
    yield product("shared up", (experts.shared_width, hidden), load, load.precision)
    yield product("shared down", (hidden, experts.shared_width), load, load.precision)


def distinct_experts(experts: Experts, rows: int) -> float:
    """Experts that rows visit if each row chooses evenly and by itself; real rows agree more."""
    return experts.routed * (1 - (1 - experts.active / experts.routed) ** rows)


def _grouped(name: str, experts: Experts, width: int, load: Load) -> Call:
    matrix = experts.width * width
    return Call(
        op="grouped_experts",
        name=f"{name}, {distinct_experts(experts, load.rows):.0f} of {experts.routed}",
        weights=distinct_experts(experts, load.rows) * matrix * WEIGHT_BYTES[load.precision],
        activations=load.rows * (width + experts.active * experts.width) * ACTIVATION_BYTES,
        operations=2.0 * load.rows * experts.active * matrix,
    )
