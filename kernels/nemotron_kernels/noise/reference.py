"""What is the counter-based noise, in plain torch?"""

import torch
from torch import Tensor

# What a row draws, whether it stands, and what is drawn instead must not depend on each other.
STREAM_OF_CHOICE, STREAM_OF_JUDGEMENT, STREAM_OF_SECOND_CHOICE = 0, 1, 2
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


def uniform(seeds: Tensor, counters: Tensor, ids: Tensor, stream: int) -> Tensor:
    """Between 0 and 1, float64 [rows, ids], for int64 seeds and counters [rows] and ids [ids]."""
    words = torch.stack(_blocks(seeds, counters, ids // 4, stream), dim=-1)
    return (words.gather(-1, (ids % 4).expand(len(seeds), -1)[..., None]).squeeze(-1) + 0.5) / 2.0**32


def exponential(seeds: Tensor, counters: Tensor, num_ids: int, stream: int = STREAM_OF_CHOICE) -> Tensor:
    """Waiting times of rate one, float64 [rows, ids]."""
    ids = torch.arange(num_ids, device=seeds.device)
    return -torch.log1p(-uniform(seeds, counters, ids, stream))


def _blocks(seeds: Tensor, counters: Tensor, blocks: Tensor, stream: int) -> tuple[Tensor, ...]:
    return philox(
        (blocks.expand(len(seeds), -1), _low(counters), _high(counters), torch.full_like(blocks, stream)),
        (_low(seeds), _high(seeds)),
    )


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four 32-bit words, held in int64, of a counter of four words and a key of two."""
    zeroth, first, second, third = counter
    low, high = key
    for _ in range(_ROUNDS):
        (high_0, low_0), (high_2, low_2) = (
            _product(_MULTIPLIERS[0], zeroth),
            _product(_MULTIPLIERS[1], second),
        )
        zeroth, first, second, third = high_2 ^ first ^ low, low_2, high_0 ^ third ^ high, low_0
        low, high = low + _KEY_STEPS[0] & _WORD, high + _KEY_STEPS[1] & _WORD
    return zeroth, first, second, third


def _product(multiplier: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low word of a product of 64 bits, which int64 cannot hold at once."""
    low = multiplier * (words & 0xFFFF)
    middle = multiplier * (words >> 16) + (low >> 16)
    return middle >> 16, (middle & 0xFFFF) << 16 | low & 0xFFFF


def _low(wide: Tensor) -> Tensor:
    return wide[:, None] & _WORD


def _high(wide: Tensor) -> Tensor:
    return wide[:, None] >> 32 & _WORD
