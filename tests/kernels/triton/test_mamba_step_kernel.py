"""Is the layer's step in one launch the same as its three ops, memories included?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.causal_conv1d import Filter
from nemotron_kernels.mamba_step import Memory, Mixer, kernel, mamba_step, reference
from nemotron_kernels.state_space import HeadParameters

Close = Callable[[Tensor, Tensor, str], None]

HEADS, CHANNELS, GROUPS, STATE, TAPS = 4, 6, 2, 20, 3
MIXED = HEADS * CHANNELS + 2 * GROUPS * STATE


def draw(batch: int, dtype: torch.dtype, has_bias: bool) -> tuple[Tensor, Mixer, Memory]:
    torch.manual_seed(0)
    bias = torch.randn(MIXED).to(dtype) if has_bias else None
    mixer = Mixer(
        taps_filter=Filter(torch.randn(TAPS + 1, MIXED).to(dtype).T, bias),
        heads=HeadParameters(a=-torch.rand(HEADS) * 4, d=torch.randn(HEADS), dt_bias=torch.randn(HEADS) - 2),
        norm=torch.randn(HEADS * CHANNELS).to(dtype),
        epsilon=1e-5,
        num_groups=GROUPS,
    )
    memory = Memory(taps=torch.randn(4, TAPS, MIXED).to(dtype), state=torch.randn(4, HEADS, CHANNELS, STATE))
    width = HEADS * CHANNELS + MIXED + HEADS
    return torch.randn(batch, width + 5).to(dtype)[:, :width], mixer, memory


def wider(mixer: Mixer) -> Mixer:
    """The same parameters in float32, as the definition rounds between its ops."""
    bias = mixer.taps_filter.bias
    taps_filter = Filter(mixer.taps_filter.weight.float(), None if bias is None else bias.float())
    return Mixer(
        taps_filter=taps_filter, heads=mixer.heads, norm=mixer.norm.float(), epsilon=1e-5, num_groups=GROUPS
    )


@pytest.mark.parametrize(
    ("dtype", "has_bias"), [(torch.float32, True), (torch.float32, False), (torch.bfloat16, True)], ids=str
)
def test_one_launch_equals_the_three_ops(dtype: torch.dtype, has_bias: bool, close: Close) -> None:
    projected, mixer, memory = draw(3, dtype, has_bias)
    slots = torch.tensor([2, -1, 0], dtype=torch.int32)
    exact = Memory(taps=memory.taps.float().clone(), state=memory.state.clone())
    expected = reference.mamba_step(projected.float(), wider(mixer), exact, slots)
    out = kernel.fused_step(projected, mixer, memory, slots)
    close(out, expected.double(), "mamba_step")
    close(memory.state, exact.state.double(), "mamba_step")
    assert torch.equal(memory.taps.float(), exact.taps)


def test_a_smaller_size_runs_the_first_heads_of_every_group(close: Close) -> None:
    projected, mixer, memory = draw(2, torch.float32, True)
    exact = Memory(taps=memory.taps.clone(), state=memory.state.clone())
    slots, kept = torch.tensor([3, 1], dtype=torch.int32), torch.tensor([1, 2], dtype=torch.int32)
    expected = reference.mamba_step(projected, mixer, exact, slots, kept)
    out = kernel.fused_step(projected, mixer, memory, slots, kept)
    close(out, expected.double(), "mamba_step")
    close(memory.state, exact.state.double(), "mamba_step")
    assert not torch.unflatten(out, 1, (HEADS, CHANNELS))[0, 1::2].any()


def test_a_small_batch_takes_the_three_ops_of_its_own(monkeypatch: pytest.MonkeyPatch, close: Close) -> None:
    projected, mixer, memory = draw(2, torch.float32, True)
    exact = Memory(taps=memory.taps.clone(), state=memory.state.clone())
    slots = torch.tensor([1, 3], dtype=torch.int32)
    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")
    expected = mamba_step(projected, mixer, exact, slots)
    monkeypatch.setenv("NEMOTRON_KERNELS", "triton")
    close(mamba_step(projected, mixer, memory, slots), expected.double(), "mamba_step")
    close(memory.state, exact.state.double(), "mamba_step")
    assert torch.equal(memory.taps, exact.taps)
