"""Which tensors does the verification of a batch of drafts read and write?"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Int64 `tokens` [batch, most], of which the first int32 `lengths` [batch] were drafted.

    `logits` [batch, most, vocabulary] are what they were drawn from, at the sequence's temperature and
    without the `mask_id`; None where they are the likeliest, and so were certain.
    """

    tokens: Tensor
    lengths: Tensor
    logits: Tensor | None = None
    mask_id: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How many drafted tokens stand, and the `bonus` token that follows them, both int64 [batch]."""

    num_accepted: Tensor
    bonus: Tensor
