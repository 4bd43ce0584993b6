"""Does a tile of the kernel's noise hold the reference's numbers?"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels.noise import STREAM_OF_SECOND_CHOICE, exponential
from nemotron_kernels.noise.kernel import exponential_tile


@triton.jit  # type: ignore[untyped-decorator]
def _fill(out, seed_ptr, counter_ptr, BEGIN: tl.constexpr, WIDTH: tl.constexpr):  # type: ignore[no-untyped-def]
    waits = exponential_tile(tl.load(seed_ptr), tl.load(counter_ptr), BEGIN, 2, WIDTH)
    tl.store(out + tl.arange(0, WIDTH), waits)


def test_a_tile_is_the_reference_from_its_first_id_on(
    close: Callable[[Tensor, Tensor, str], None], poisoned: Callable[..., Tensor]
) -> None:
    seed, counter = torch.tensor([-5_000_000_000_123]), torch.tensor([2**33 + 9])
    out = poisoned((256,))
    _fill[(1,)](out, seed, counter, BEGIN=64, WIDTH=256)
    close(out, exponential(seed, counter, 320, STREAM_OF_SECOND_CHOICE)[0, 64:], "noise")
