"""How long does work take on a GPU, without the time of launching it?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nemotron_backend.floors import Call

COLD_BYTES = 200e6
"""What is read before anything is read again; several times an H100's L2 of 50 MB."""

_MOST_TRIALS = 64
_ROUNDS = 3
_GIGABYTE = 2**30
_SIDE = 8192

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this GPU reached: bytes per second copied, operations per second multiplied in BF16."""

    name: str
    bandwidth: float
    rate: float

    def floor(self, call: Call) -> float:
        """Seconds."""
        return max(call.num_bytes / self.bandwidth, call.operations / self.rate)


def limits_of(device: torch.device) -> Limits:
    source = torch.empty(_GIGABYTE, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    square = torch.randn(_SIDE, _SIDE, device=device, dtype=torch.bfloat16)
    copied = seconds_of([lambda: target.copy_(source)], seconds=0.5)
    multiplied = seconds_of([lambda: square @ square], seconds=0.5)
    return Limits(
        name=torch.cuda.get_device_name(device),
        bandwidth=2 * _GIGABYTE / copied,
        rate=2 * _SIDE**3 / multiplied,
    )


def trials_for(call: Call) -> int:
    """Sets of tensors that together are larger than the caches, or as many as are worth it."""
    return max(1, min(_MOST_TRIALS, math.ceil(COLD_BYTES / call.num_bytes)))


def is_cold(call: Call) -> bool:
    return trials_for(call) * call.num_bytes >= COLD_BYTES


def seconds_of(works: Sequence[Work], seconds: float) -> float:
    """Of one of them, in the best of some rounds; they run in turn inside one CUDA graph."""
    for work in works:
        work()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for work in works:
            work()
    once = _elapsed(graph, 1)
    repeats = max(1, int(seconds / _ROUNDS / max(once, 1e-6)))
    return min(_elapsed(graph, repeats) for _ in range(_ROUNDS)) / len(works)


def _elapsed(graph: torch.cuda.CUDAGraph, repeats: int) -> float:
    """Seconds of one replay."""
    event: Any = torch.cuda.Event  # torch leaves its arguments without types
    begin, end = event(enable_timing=True), event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        graph.replay()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000 / repeats
