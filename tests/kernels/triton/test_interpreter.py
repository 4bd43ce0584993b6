"""Would a kernel's test see an element that is wrong, or that nobody wrote?"""

from collections.abc import Callable

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]


@triton.jit  # type: ignore[untyped-decorator]
def _double(source, target, length, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + index, 2 * tl.load(source + index, mask=index < length), mask=index < length)


def test_a_kernel_runs_without_a_gpu(close: Close, poisoned: Poisoned) -> None:
    source, target = torch.arange(5.0), poisoned((5,))
    _double[(2,)](source, target, 5, BLOCK=4)
    close(target, 2 * source.double(), "double")


def test_an_element_that_nobody_wrote_is_seen(close: Close, poisoned: Poisoned) -> None:
    source, target = torch.arange(5.0), poisoned((5,))
    _double[(1,)](source, target, 5, BLOCK=4)
    with pytest.raises(AssertionError, match=r"nan at \(4,\), not 8"):
        close(target, 2 * source.double(), "double")


def test_an_integer_that_nobody_wrote_is_seen(close: Close, poisoned: Poisoned) -> None:
    for dtype in (torch.int32, torch.int64, torch.uint8):
        with pytest.raises(AssertionError):
            close(poisoned((3,), dtype), torch.zeros(3), "double")


def test_an_error_beyond_one_rounding_is_seen(close: Close) -> None:
    exact = torch.tensor([1.0, -3.0], dtype=torch.float64)
    close(exact.bfloat16(), exact, "double")
    with pytest.raises(AssertionError, match=r"at \(1,\), not -3"):
        close((exact * torch.tensor([1.0, 1.01])).bfloat16(), exact, "double")


def test_infinities_are_no_errors(close: Close) -> None:
    exact = torch.tensor([float("-inf"), 1.0], dtype=torch.float64)
    close(exact.float(), exact, "double")
    with pytest.raises(AssertionError, match=r"inf at \(0,\)|2 at \(1,\)"):
        close(2 * exact.float(), exact, "double")
