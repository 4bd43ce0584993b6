"""Kernels run in Triton's interpreter here, each against its definition in float64.

The interpreter is wrong without a word for bfloat16 `tl.dot` and for `tl.dot_scaled` with E4M3 scales, and
refuses bfloat16 `atomic_add` and inline assembly: kernels widen the operands of a product when they are
interpreted, and block-scaled products are tested by their packing and their dequantising path.
"""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
import triton
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction

Poisoned = Callable[..., Tensor]
Close = Callable[[Tensor, Tensor, str], None]

SENTINEL = -77
"""What integers hold that nobody wrote; as a byte it is 179."""

# The interpreter cuts off what bfloat16 cannot hold, where a GPU rounds: its error is twice as large.
_ROUNDING: dict[torch.dtype, float] = {torch.float32: 1e-5, torch.bfloat16: 8e-3, torch.float16: 5e-4}

# Where an op errs more than one rounding of its result, with the reason.
TOLERANCES: dict[tuple[str, torch.dtype], float] = {
    # The products inside a chunk round their operands to bfloat16 too; what is kept is in two parts of it.
    ("chunk_scan", torch.bfloat16): 2e-2,
    ("chunk_scan of half floats", torch.float32): 1e-4,
    # An expert's hidden values and its part of the sum are rounded, then the sum.
    ("grouped_experts", torch.bfloat16): 2e-2,
}


def _probe() -> None: ...


@pytest.fixture(scope="session", autouse=True)
def _interpreter() -> None:
    assert isinstance(triton.jit(_probe), InterpretedFunction), "Triton compiles: its interpreter is off"


@pytest.fixture
def poisoned() -> Poisoned:
    """A tensor in which every element that a kernel forgets is seen: NaN, or `SENTINEL` in integers."""

    def fill(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        if dtype.is_floating_point:
            return torch.full(tuple(shape), math.nan).to(dtype)
        return torch.full(tuple(shape), SENTINEL % 256 if dtype == torch.uint8 else SENTINEL, dtype=dtype)

    return fill


@pytest.fixture
def close() -> Close:
    """Assert that `actual` is `expected` (float64) within `op`'s tolerance; integers must be equal.

    An error is measured against the element or, where that is smaller, the root mean square of all.
    """

    def compare(actual: Tensor, expected: Tensor, op: str) -> None:
        assert actual.shape == expected.shape, f"{op}: {tuple(actual.shape)}, not {tuple(expected.shape)}"
        if not actual.is_floating_point():
            assert torch.equal(actual, expected.to(actual.dtype)), f"{op}: {actual} is not {expected}"
        elif actual.numel():
            _compare(actual, expected, op)

    return compare


def _compare(actual: Tensor, expected: Tensor, op: str) -> None:
    tolerance = TOLERANCES.get((op, actual.dtype), _ROUNDING[actual.dtype])
    exact, result = expected.double().flatten(), actual.double().flatten()
    typical = exact[exact.isfinite()].square().mean().sqrt().nan_to_num()
    size = exact.abs().clamp_min(typical).clamp_min(torch.finfo(torch.float32).tiny)
    error = torch.where(result == exact, 0.0, (result - exact).abs() / size).nan_to_num(nan=math.inf)
    worst = int(error.argmax())
    place = tuple(int(index) for index in torch.unravel_index(torch.tensor(worst), expected.shape))
    assert error[worst] <= tolerance, (
        f"{op} in {actual.dtype}: {result[worst]:.6g} at {place}, not {exact[worst]:.6g}: "
        f"off by {error[worst]:.2g}, allowed {tolerance:.2g}"
    )
