"""What does one call of an op move and compute?"""

from dataclasses import dataclass, replace

from nemotron_backend.request import Precision

WEIGHT_BYTES: dict[Precision, float] = {"bf16": 2, "fp8": 1, "nvfp4": 4.5 / 8}
"""A quantised weight with its share of the scales."""

ACTIVATION_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A forward of `batch` sequences, each of `tokens` new tokens behind `context` cached ones.

    `state` and `cache` are the bytes of one number of the Mamba state and of the key-value cache.
    """

    precision: Precision = "bf16"
    batch: int = 1
    tokens: int = 1
    context: int = 4096
    state: int = 4
    cache: int = 2

    @property
    def rows(self) -> int:
        return self.batch * self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of `op`, which `count` layers make: its bytes by kind, and its operations."""

    op: str
    """The folder of the op among the kernels; `torch` where a library does it."""

    name: str
    weights: float = 0
    kept: float = 0
    """What is read and written of the sequences' states and caches."""

    activations: float = 0
    operations: float = 0
    count: int = 1

    @property
    def num_bytes(self) -> float:
        return self.weights + self.kept + self.activations

    def times(self, count: int) -> "Call":
        return replace(self, count=count)


def product(name: str, shape: tuple[int, int], load: Load, precision: Precision) -> Call:
    """Rows times a weight [outputs, inputs]."""
    outputs, inputs = shape
    return Call(
        op="torch" if precision == "bf16" else "quantised_linear",
        name=f"{name} {outputs}x{inputs}",
        weights=outputs * inputs * WEIGHT_BYTES[precision],
        activations=load.rows * (outputs + inputs) * ACTIVATION_BYTES,
        operations=2.0 * load.rows * outputs * inputs,
    )
