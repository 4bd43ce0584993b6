"""How many drafted tokens stand, and which token follows them?

By `match` a drafted token stands where it is what was chosen there anyway (the likeliest, or one drawn with
the noise of its place): accepted = the longest common beginning, bonus = chosen[accepted].

By `reject` (Leviathan and others, 2023), with p = softmax(logits / T) and q what the token was drafted with:

    it stands where uniform * q[token] < p[token]
    bonus ~ max(p - q, 0) at the first that does not stand, ~ p behind a draft that stands whole

Both leave the distribution of left to right. `drawing.counters` [batch] belong to the first drafted place
and grow by one a place. The three random numbers of a place (drafting, judging, drawing instead) come from
different streams, so a draft may use the same counters. A temperature of 0 counts as 1e-5.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.draft_verification import reference
from nemotron_kernels.draft_verification.draft import Draft, Verdict
from nemotron_kernels.draft_verification.reference import residual
from nemotron_kernels.noise import Drawing

__all__ = ["Draft", "Drawing", "Verdict", "match", "reject", "residual"]


def match(chosen: Tensor, draft: Draft) -> Verdict:
    """Drafted tokens stand while they are what was `chosen` [batch, most + 1] after the token before."""
    if runs_triton(chosen):
        from nemotron_kernels.draft_verification import kernel

        return kernel.match(chosen, draft)
    return reference.match(chosen, draft)


def reject(logits: Tensor, draft: Draft, drawing: Drawing) -> Verdict:
    """Rejection sampling against logits [batch, most + 1, vocabulary] that follow each token."""
    if runs_triton(logits):
        from nemotron_kernels.draft_verification import kernel

        return kernel.reject(logits, draft, drawing)
    return reference.reject(logits, draft, drawing)
