"""How do several new tokens of a sequence attend with exactly the bits that each would get by itself?

A matrix product may sum in another order when it has few rows or a long inner dimension, and a vector sum
when its length is no multiple of the vector's. So products here have at least eight rows, sum over at most
128 keys at a time, and keys are padded to whole blocks with weights of zero, which change no sum. What a
token gets then depends on what stands before it alone, not on how many tokens came with it: a model that
verifies its own draft says what it would have said token by token.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_FEWEST_ROWS = 8
_MOST_KEYS = 128


def causal_bias(position: int, length: int, group: int, num_keys: int) -> Tensor:
    """What is added to the scores of `group` query heads for each of `length` tokens, [rows, keys]."""
    seen = torch.ones(length, num_keys, dtype=torch.bool).tril_(position)
    bias = torch.zeros(length, num_keys).masked_fill_(~seen, -torch.inf).repeat_interleave(group, dim=0)
    return F.pad(bias, (0, 0, 0, max(0, _FEWEST_ROWS - len(bias))))


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Queries [tokens, kv_heads, group, head_dim] over padded [kv_heads, keys, head_dim]: [tokens, width]."""
    length, num_kv_heads, group, head_dim = queries.shape
    rows = queries.transpose(0, 1).reshape(num_kv_heads, -1, head_dim)
    if rows.shape[1] < len(bias):
        rows = F.pad(rows, (0, 0, 0, len(bias) - rows.shape[1]))
    scores = torch.baddbmm(bias, rows, keys.transpose(1, 2), alpha=head_dim**-0.5)
    weights = scores.softmax(dim=-1)
    mixed = _weighted_sum(weights, values)[:, : length * group]
    return mixed.view(num_kv_heads, length, group, head_dim).transpose(0, 1).reshape(length, -1)


def _weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    parts = zip(torch.split(weights, _MOST_KEYS, dim=2), torch.split(values, _MOST_KEYS, dim=1), strict=True)
    first, *others = (torch.bmm(*part) for part in parts)
    for other in others:
        first += other
    return first
