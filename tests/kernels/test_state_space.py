"""Do the step and the chunked scan equal the recurrence, token by token in float64?"""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nemotron_kernels.chunk_scan import chunk_scan
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import state_update


@dataclass(frozen=True)
class Shape:
    batch: int
    length: int
    heads: int
    channels: int
    groups: int
    state: int

    def __str__(self) -> str:
        return f"B{self.batch}L{self.length}H{self.heads}P{self.channels}G{self.groups}N{self.state}"


SHAPES = [
    Shape(1, 1, 1, 1, 1, 1),
    Shape(1, 7, 4, 8, 2, 5),
    Shape(2, 63, 6, 3, 3, 16),
    Shape(1, 130, 8, 16, 1, 32),
    Shape(3, 33, 4, 8, 4, 8),
]


def draw(shape: Shape, dtype: torch.dtype = torch.float32) -> tuple[Selection, HeadParameters, Tensor]:
    torch.manual_seed(0)
    tokens = (shape.batch, shape.length)
    selection = Selection(
        x=torch.randn(*tokens, shape.heads, shape.channels).to(dtype),
        dt=torch.randn(*tokens, shape.heads).to(dtype),
        b=torch.randn(*tokens, shape.groups, shape.state).to(dtype),
        c=torch.randn(*tokens, shape.groups, shape.state).to(dtype),
    )
    heads = HeadParameters(
        a=-torch.rand(shape.heads) * 8, d=torch.randn(shape.heads), dt_bias=torch.randn(shape.heads) - 2
    )
    return selection, heads, torch.randn(shape.batch, shape.heads, shape.channels, shape.state)


def recurrence(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """The formula of the step, one token and one head at a time, in float64."""
    x, state, outputs = selection.x.double(), state.double().clone(), torch.zeros_like(selection.x).double()
    per_group = selection.heads_per_group
    for token in range(x.shape[1]):
        for head in range(x.shape[2]):
            dt = torch.log1p(torch.exp(selection.dt[:, token, head].double() + heads.dt_bias[head].double()))
            b, c = (part[:, token, head // per_group].double() for part in (selection.b, selection.c))
            written = dt[:, None, None] * x[:, token, head, :, None] * b[:, None, :]
            decay = torch.exp(dt * heads.a[head].double())
            state[:, head] = decay[:, None, None] * state[:, head] + written
            read = (state[:, head] * c[:, None, :]).sum(-1)
            outputs[:, token, head] = read + heads.d[head].double() * x[:, token, head]
    return outputs, state


@pytest.mark.parametrize("chunk_size", [1, 16, 128])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_scan_equals_the_recurrence(shape: Shape, chunk_size: int) -> None:
    selection, heads, state = draw(shape)
    expected, expected_state = recurrence(selection, heads, state)
    output, final = chunk_scan(selection, heads, state, chunk_size)
    torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(final.double(), expected_state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_repeated_steps_equal_the_recurrence(shape: Shape) -> None:
    selection, heads, state = draw(shape)
    expected, expected_state = recurrence(selection, heads, state)
    outputs = []
    for t in range(shape.length):
        token = Selection(
            x=selection.x[:, t], dt=selection.dt[:, t], b=selection.b[:, t], c=selection.c[:, t]
        )
        output, state = state_update(token, heads, state)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, dim=1).double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state.double(), expected_state, rtol=1e-4, atol=1e-5)


def test_fast_decay_over_a_long_chunk_keeps_its_digits() -> None:
    selection, heads, state = draw(Shape(1, 128, 2, 4, 1, 8))
    fast = HeadParameters(a=torch.tensor([-64.0, -16.0]), d=heads.d, dt_bias=torch.zeros(2))
    expected, expected_state = recurrence(selection, fast, state)
    output, final = chunk_scan(selection, fast, state, 128)
    torch.testing.assert_close(output.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(final.double(), expected_state, rtol=1e-5, atol=1e-5)


def test_tiny_steps_are_not_clamped() -> None:
    selection, heads, state = draw(Shape(1, 40, 2, 4, 1, 8))
    slow = HeadParameters(a=heads.a, d=heads.d, dt_bias=torch.full((2,), -12.0))
    _, expected_state = recurrence(selection, slow, state)
    _, final = chunk_scan(selection, slow, state, 16)
    torch.testing.assert_close(final.double(), expected_state, rtol=1e-5, atol=1e-6)
    assert float((expected_state - state).abs().max()) < 0.1  # a clamp to 0.001 would write far more


def test_the_old_state_is_left_as_it_was() -> None:
    selection, heads, state = draw(Shape(2, 5, 4, 8, 2, 5))
    kept = state.clone()
    chunk_scan(selection, heads, state, 2)
    state_update(
        Selection(x=selection.x[:, 0], dt=selection.dt[:, 0], b=selection.b[:, 0], c=selection.c[:, 0]),
        heads,
        state,
    )
    assert torch.equal(state, kept)


def test_bfloat16_inputs_are_computed_in_float32() -> None:
    selection, heads, state = draw(Shape(1, 50, 4, 8, 2, 16), torch.bfloat16)
    expected, expected_state = recurrence(selection, heads, state)
    output, final = chunk_scan(selection, heads, state, 16)
    assert output.dtype == torch.bfloat16
    assert final.dtype == torch.float32
    torch.testing.assert_close(output.double(), expected, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(final.double(), expected_state, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_scan_agree_with_finite_differences() -> None:
    torch.manual_seed(0)
    selection, heads, state = draw(Shape(1, 5, 2, 2, 1, 3))
    inputs = [selection.x, selection.dt, selection.b, selection.c, heads.a]

    def total(*tensors: Tensor) -> Tensor:
        x, dt, b, c, a = tensors
        output, final = chunk_scan(
            Selection(x=x, dt=dt, b=b, c=c), HeadParameters(a=a, d=heads.d, dt_bias=heads.dt_bias), state, 2
        )
        return output.sum() + (final**2).sum()

    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    gradients = torch.autograd.grad(total(*leaves), leaves)
    for index, gradient in enumerate(gradients):
        direction = torch.randn_like(gradient)
        ahead, behind = (
            [*inputs[:index], inputs[index] + sign * 1e-2 * direction, *inputs[index + 1 :]]
            for sign in (1, -1)
        )
        numeric = (total(*ahead) - total(*behind)) / 2e-2
        torch.testing.assert_close((gradient * direction).sum(), numeric, rtol=2e-2, atol=2e-2)
