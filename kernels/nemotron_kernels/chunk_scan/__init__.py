"""How does a run of tokens change a head's state, many tokens at a time?

The same recurrence as `state_update`, in chunks: inside a chunk every pair of tokens is a matrix product
weighted by the decay between them, and between chunks only the state travels.
`selection` holds [batch, length, ...], `state` is float32 [batch, H, P, N]; the length need not be a
multiple of the chunk. Differentiable, so training uses it too.
"""

from nemotron_kernels.chunk_scan.reference import chunk_scan

__all__ = ["chunk_scan"]
