"""Linear layers of nested sizes: a smaller model is a prefix of the rows and columns of every weight.

    elastic_linear: y = x[..., :columns] @ W[:rows, :columns].T                 one size
    mixed_linear:   y[t, :r] = x[t, :c] @ W[:r, :c].T,  y[t, r:] = 0            (r, c) = limits[t]

W is a whole weight, BF16, FP8 or NVFP4; a prefix is a view of it, and NVFP4 is cut between blocks of 16
columns. `mixed_linear` takes tokens of all sizes in one launch and reads the weight once for them; tokens
sorted by size let it skip what a whole tile of them lacks. Limits of columns are multiples of 16. What x
holds beyond them is not read.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.elastic_linear import reference
from nemotron_kernels.elastic_linear.reference import prefix
from nemotron_kernels.quantised_linear import Weight, linear

__all__ = ["elastic_linear", "mixed_linear", "prefix"]


def elastic_linear(
    x: Tensor,
    weight: Weight,
    size: tuple[int, int],
    input_scale: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A size's first outputs from its first inputs: `size` is (rows, columns)."""
    rows, columns = size
    return linear(x[..., :columns], prefix(weight, rows, columns), input_scale, out=out)


def mixed_linear(
    x: Tensor,
    weight: Weight,
    limits: Tensor,
    input_scale: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Each token of x [tokens, in] under its own limits, int32 [tokens, 2]: its rows and columns."""
    if runs_triton(x):
        from nemotron_kernels.elastic_linear import kernel

        return kernel.mixed_linear(x, weight, limits, input_scale, out=out)
    result = reference.mixed_linear(x, weight, limits, input_scale)
    return result if out is None else out.copy_(result)
