"""What makes the draws of one row its own?"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Float32 `temperatures`, int64 `seeds` and `counters`, all [rows].

    Rows draw independently unless they share both seed and counter.
    """

    temperatures: Tensor
    seeds: Tensor
    counters: Tensor
