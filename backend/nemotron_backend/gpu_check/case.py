"""What is checked of one op at one shape?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from nemotron_backend.floors import Call
from nemotron_backend.gpu_check.tensors import Tensors

Results = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One set of tensors: the op on them, what it changes in place, and others' ways to the same."""

    run: Callable[[], Results]
    changed: tuple[Tensor, ...] = ()
    peers: Mapping[str, Callable[[], object]] = field(default_factory=dict)


Trials = Callable[[Tensors, int], Sequence[Trial]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An op at a shape: its floor, and as many trials as it takes to read past the caches."""

    title: str
    precision: str
    floor: Call
    trials: Trials
    tolerance: float = 0.02
    """The largest error, over the results' root mean square."""

    compares_means: bool = False
    """Whether the error's root mean square is meant, not the largest."""


def each(trial: Callable[[Tensors], Trial]) -> Trials:
    """Trials that share nothing."""
    return lambda tensors, count: [trial(tensors) for _ in range(count)]
