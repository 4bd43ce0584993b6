"""Does a native step of Mamba 2 equal the reference's convolution, state update, gate and norm?"""

import pytest
import torch
from torch import Tensor

from nemotron_kernels.causal_conv1d import causal_conv1d
from nemotron_kernels.gated_group_norm import gated_group_norm
from nemotron_kernels.native.build import build, cache_folder
from nemotron_kernels.native.library import NativeCode
from nemotron_kernels.native.mamba import MambaShape, NativeMamba, fits
from nemotron_kernels.native.processor import features, variant
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import state_update

SHAPES = {
    "plain": MambaShape(num_heads=6, head_dim=16, num_groups=2, state_size=32, epsilon=1e-5),
    "odd head": MambaShape(num_heads=32, head_dim=5, num_groups=2, state_size=16, epsilon=1e-6),
    "one group": MambaShape(num_heads=4, head_dim=64, num_groups=1, state_size=128, epsilon=1e-5),
}


class Layer:
    """Random parameters, and a step of the references."""

    def __init__(self, shape: MambaShape, has_bias: bool) -> None:
        torch.manual_seed(0)
        self.shape = shape
        self.inner = shape.num_heads * shape.head_dim
        self.channels = self.inner + 2 * shape.num_groups * shape.state_size
        self.taps, self.norm = torch.randn(self.channels, 4), torch.rand(self.inner)
        self.bias = torch.randn(self.channels) if has_bias else None
        heads = shape.num_heads
        self.heads = HeadParameters(a=-torch.rand(heads), d=torch.randn(heads), dt_bias=torch.randn(heads))

    def native(self) -> NativeMamba:
        found = variant(features())
        if found is None:
            pytest.skip("this processor has no AVX2")
        code = NativeCode(build(found, cache_folder()))
        return NativeMamba(code, self.shape, (self.taps, self.bias), self.norm, self.heads)

    def draw(self, rows: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        shape = self.shape
        return (
            torch.randn(rows, self.inner + self.channels + shape.num_heads),
            [torch.randn(3, self.channels) for _ in range(rows)],
            [torch.randn(shape.num_heads, shape.head_dim, shape.state_size) for _ in range(rows)],
        )

    def reference(
        self, projected: Tensor, taps: list[Tensor], states: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        shape, rows = self.shape, len(projected)
        half = shape.num_groups * shape.state_size
        gate, mixed, dt = projected.split_with_sizes([self.inner, self.channels, shape.num_heads], dim=-1)
        convolved, new_taps = causal_conv1d(mixed[:, None], torch.stack(taps), self.taps, self.bias)
        x, b, c = convolved[:, 0].split_with_sizes([self.inner, half, half], dim=-1)
        selection = Selection(
            x=x.reshape(rows, shape.num_heads, -1),
            dt=dt,
            b=b.reshape(rows, shape.num_groups, -1),
            c=c.reshape(rows, shape.num_groups, -1),
        )
        outputs, new_states = state_update(selection, self.heads, torch.stack(states))
        out = gated_group_norm(outputs.flatten(1), gate, self.norm, shape.num_groups, shape.epsilon)
        return out, new_taps, new_states


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_step_is_that_of_the_references(shape: MambaShape, has_bias: bool) -> None:
    layer = Layer(shape, has_bias)
    drawn = layer.draw(3)
    before = [tensor.clone() for tensor in drawn[1] + drawn[2]]
    out, taps, states = layer.native().step(*drawn)
    wanted = layer.reference(*drawn)
    for found, true in zip((out, torch.stack(taps), torch.stack(states)), wanted, strict=True):
        torch.testing.assert_close(found, true, atol=2e-5, rtol=2e-5)
    assert all(map(torch.equal, drawn[1] + drawn[2], before))


def test_a_sequence_gets_the_same_bits_alone() -> None:
    layer = Layer(SHAPES["plain"], True)
    native, (projected, taps, states) = layer.native(), layer.draw(5)
    together, _, after = native.step(projected, taps, states)
    for row in range(5):
        alone, _, (state,) = native.step(projected[row : row + 1], taps[row : row + 1], states[row : row + 1])
        assert torch.equal(alone[0], together[row])
        assert torch.equal(state, after[row])


def test_widths_that_no_vector_fits_are_left_to_the_reference() -> None:
    assert not fits(MambaShape(num_heads=6, head_dim=4, num_groups=2, state_size=16, epsilon=1e-5))
    assert not fits(MambaShape(num_heads=4, head_dim=16, num_groups=2, state_size=8, epsilon=1e-5))
    assert all(map(fits, SHAPES.values()))
