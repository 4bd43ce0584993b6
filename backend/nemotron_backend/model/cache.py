"""What does an attention layer remember of a sequence?"""

import torch
from torch import Tensor

_BLOCK = 64


class KeyValueCache:
    """Keys and values of one layer and one sequence, contiguous, growing when they must.

    One tensor [2 * kv_heads, capacity, head_dim] holds the keys' heads and then the values', so that
    a step writes both at once.
    """

    def __init__(self, num_kv_heads: int, head_dim: int, capacity: int) -> None:
        self._num_kv_heads = num_kv_heads
        self._store = torch.empty(2 * num_kv_heads, max(capacity, 1), head_dim)
        self.length = 0

    @property
    def num_bytes(self) -> int:
        return self._store.nbytes

    def extend(self, keys_values: Tensor) -> None:
        """Append [tokens, 2 * kv_heads, head_dim]."""
        end = self.length + keys_values.shape[0]
        if end > self._store.shape[1]:
            self._store = self._grown(max(end, self._store.shape[1] * 3 // 2))
        self._store[:, self.length : end] = keys_values.transpose(0, 1)
        self.length = end

    def read(self) -> tuple[Tensor, Tensor]:
        """Keys and values so far, each [kv_heads, length, head_dim]."""
        held = self._store[:, : self.length]
        return held[: self._num_kv_heads], held[self._num_kv_heads :]

    def reusable_length(self, length: int) -> int:
        return min(length, self.length)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"a cache of {self.length} tokens has no first {length}")
        self.length = length

    def copy(self, length: int) -> "KeyValueCache":
        if not 0 <= length <= self.length:
            raise ValueError(f"a cache of {self.length} tokens has no first {length}")
        twin = KeyValueCache(self._num_kv_heads, self._store.shape[2], _blocks(length))
        twin._store[:, :length] = self._store[:, :length]
        twin.length = length
        return twin

    def _grown(self, capacity: int) -> Tensor:
        grown = self._store.new_empty(self._store.shape[0], _blocks(capacity), self._store.shape[2])
        grown[:, : self.length] = self._store[:, : self.length]
        return grown


def _blocks(capacity: int) -> int:
    return -(-capacity // _BLOCK) * _BLOCK
