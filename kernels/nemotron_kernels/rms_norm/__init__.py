"""How is a row brought to a root mean square of one?

out = x / sqrt(mean(x^2) + epsilon) * weight, along the last axis, with float32 statistics.

`add_rms_norm` first adds x to the residual, which comes back as well, rounded to its type; the norm is that
of the rounded sum, as of two operations one after the other. With int32 `widths` [rows] a row has only so
many channels, and zeros behind them: rows of nested sizes share a launch.

Bytes decide nothing here (a row of 4096 takes 33 KB, 11 ns of an H100's memory), launches do: torch's own
norm needs a second one for the sum, two a layer or 68 in a model of 34 layers, each some microseconds of a
step whose floor is 0.9 to 5.5 ms. SGLang's fused norm saves them as well, but knows one width a launch.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.rms_norm import reference

__all__ = ["add_rms_norm", "rms_norm"]


def rms_norm(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    """Normalise along the last axis."""
    if _runs_triton(x):
        from nemotron_kernels.rms_norm import kernel

        return kernel.rms_norm(x, weight, epsilon)
    return reference.rms_norm(x, weight, epsilon)


def add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, epsilon: float, widths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The norm of x + residual [rows, channels], and the sum itself."""
    if _runs_triton(x):
        from nemotron_kernels.rms_norm import kernel

        return kernel.add_rms_norm(x, residual, weight, epsilon, widths)
    return reference.add_rms_norm(x, residual, weight, epsilon, widths)


def _runs_triton(x: Tensor) -> bool:
    """The kernel has no gradient."""
    return not x.requires_grad and runs_triton(x)
