"""Which tensors does a step that fills in masks read and write?

A row is one place of one block. Whatever differs between requests is a tensor, so that one launch serves
them all and nothing waits for the host.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """What a row would become: int64 `tokens` and float32 `confidences`, both [rows]."""

    tokens: Tensor
    confidences: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Blocks that are being filled in: int64 `token_ids` and bool `is_masked`, both [blocks, length]."""

    token_ids: Tensor
    is_masked: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many masks a block reveals, and in which order, all [blocks].

    Where int32 `steps_left` is above 0, an even share; else those whose confidence reaches the float64
    `thresholds`, up to the first that does not. The first in order is revealed in any case. Bool
    `is_leftmost` orders from left to right, not by falling confidence.
    """

    thresholds: Tensor
    steps_left: Tensor
    is_leftmost: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """The `canvas` afterwards; int64 `num_final` tokens before the first mask; bool `is_finished`: an end
    stands among them. Both are [blocks].
    """

    canvas: Canvas
    num_final: Tensor
    is_finished: Tensor
