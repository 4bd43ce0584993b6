"""How does a run of tokens change a head's state, many tokens at a time?

The same recurrence as `state_update`, in chunks: inside a chunk every pair of tokens is a matrix product
weighted by the decay between them, and between chunks only the state travels.
`selection` holds [batch, length, ...], `state` is float32 [batch, H, P, N]; the length need not be a
multiple of the chunk. The definition is differentiable, so training uses it too.

The ragged form takes a packed `selection` [tokens, ...] and holds every sequence's state in a pool
[slots, H, P, N], which it brings up to date in place.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.chunk_scan import reference
from nemotron_kernels.ragged import Ragged
from nemotron_kernels.state_space import HeadParameters, Selection

__all__ = ["chunk_scan", "chunk_scan_ragged"]


def chunk_scan(
    selection: Selection, heads: HeadParameters, state: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, length, H, P] and the state after the last token."""
    if runs_triton(selection.x):
        from nemotron_kernels.chunk_scan import kernel

        return kernel.chunk_scan(selection, heads, state, chunk_size)
    return reference.chunk_scan(selection, heads, state, chunk_size)


def chunk_scan_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, chunk_size: int
) -> Tensor:
    """Scan every sequence from its state in `pool`, and bring that up to date."""
    if runs_triton(selection.x):
        from nemotron_kernels.chunk_scan import kernel

        return kernel.chunk_scan_ragged(selection, heads, pool, ragged, chunk_size)
    return reference.chunk_scan_ragged(selection, heads, pool, ragged, chunk_size)
