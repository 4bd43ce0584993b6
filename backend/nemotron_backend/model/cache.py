"""What does an attention layer remember of a sequence?"""

import torch
from torch import Tensor

_BLOCK = 64


class KeyValueCache:
    """Keys and values of one layer and one sequence, contiguous, growing when they must.

    One tensor [2, 1, kv_heads, capacity, head_dim] holds both, so that a step writes both at once. Places
    beyond `length` hold finite numbers, so that weights of zero make nothing of them.
    """

    def __init__(self, num_kv_heads: int, head_dim: int, capacity: int) -> None:
        self.length = 0
        self._allocate(torch.zeros(2, 1, num_kv_heads, max(capacity, 1), head_dim))

    @property
    def num_bytes(self) -> int:
        return self._store.nbytes

    @property
    def store(self) -> Tensor:
        """Keys and values of all places; another tensor after the cache has grown."""
        return self._store

    def take(self, count: int) -> None:
        """Hold so many more tokens, whose keys and values native code will write."""
        start, self.length = self.length, self.length + count
        if self.length > self._capacity:
            self._grow(start)

    def extend(self, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """Append [2 * kv_heads, tokens, head_dim]; returns all keys and all values.

        Each is [1, kv_heads, length, head_dim].
        """
        start, self.length = self.length, self.length + keys_values.shape[1]
        if self.length > self._capacity:
            self._grow(start)
        self._heads[:, start : self.length] = keys_values
        return self._keys.narrow(2, 0, self.length), self._values.narrow(2, 0, self.length)

    def peek(self, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """As `extend` returns them, but the tokens are not kept."""
        length = self.length
        extended = self.extend(keys_values)
        self.length = length
        return extended

    def beside(self, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """As `extend` returns them, in memory of their own, so that the cache needs no room for them."""
        joined = torch.cat((self._heads[:, : self.length], keys_values), dim=1)
        keys, values = joined.view(2, 1, -1, *joined.shape[1:]).unbind()
        return keys, values

    def padded(self) -> tuple[Tensor, Tensor]:
        """All keys and all values, with places beyond the last up to a whole number of blocks."""
        length = blocks(self.length)
        if length > self._capacity:
            self._grow(self.length)
        return self._keys.narrow(2, 0, length), self._values.narrow(2, 0, length)

    def reusable_length(self, length: int) -> int:
        return min(length, self.length)

    def truncate(self, length: int) -> None:
        self._check(length)
        self.length = length

    def copy(self, length: int) -> "KeyValueCache":
        self._check(length)
        twin = KeyValueCache(self._store.shape[2], self._store.shape[4], blocks(length))
        twin._heads[:, :length] = self._heads[:, :length]
        twin.length = length
        return twin

    def _check(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"a cache of {self.length} tokens has no first {length}")

    def _grow(self, num_kept: int) -> None:
        """Make room for `length` and half as much again, so that growth costs little a token."""
        old = self._heads
        shape = list(self._store.shape)
        shape[3] = blocks(max(self.length, self._capacity * 3 // 2))
        self._allocate(self._store.new_zeros(shape))
        self._heads[:, :num_kept] = old[:, :num_kept]

    def _allocate(self, store: Tensor) -> None:
        # The views are made once: a step of a small network is short enough for them to count.
        self._store = store
        self._capacity = store.shape[3]
        self._heads = store.view(-1, *store.shape[3:])
        self._keys, self._values = store.unbind()


def blocks(capacity: int) -> int:
    """So many places, rounded up to a whole number of blocks."""
    return -(-capacity // _BLOCK) * _BLOCK
