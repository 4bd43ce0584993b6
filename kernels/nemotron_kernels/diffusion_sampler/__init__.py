"""What would stand behind each mask, and which masks are revealed?

    p       = softmax(logits)                          raw logits, the mask's own part included
    token   = argmax of logits - T * ln(wait)          without the mask; wait: `noise`; T = 0 takes no noise
    confidence = p[token]

The largest of such scores is a draw from softmax(logits / T), so one pass over the vocabulary, in parts that
are merged, gives token and confidence; probabilities are never written. Of equal scores the lowest id wins.
Rows that are not wanted are not read: token -1, confidence 0.

Revealed are the first masks in an order (falling confidence, or from the left): a share of them where a
number of steps is given, else those up to the first with confidence < threshold, and always one. A block is
finished when an end stands in it with no mask before.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.diffusion_sampler import reference
from nemotron_kernels.diffusion_sampler.canvas import Canvas, Guesses, Policy, Revealed
from nemotron_kernels.diffusion_sampler.reference import confidence, without_mask
from nemotron_kernels.noise import Drawing

__all__ = [
    "Canvas",
    "Drawing",
    "Guesses",
    "Policy",
    "Revealed",
    "confidence",
    "guess",
    "reveal",
    "without_mask",
]


def guess(
    logits: Tensor, mask_id: int, drawing: Drawing | None = None, is_wanted: Tensor | None = None
) -> Guesses:
    """A token for every row of logits [rows, vocabulary], and how likely the network finds it."""
    if runs_triton(logits):
        from nemotron_kernels.diffusion_sampler import kernel

        return kernel.guess(logits, mask_id, drawing, is_wanted)
    return reference.guess(logits, mask_id, drawing, is_wanted)


def reveal(canvas: Canvas, guesses: Guesses, policy: Policy, ends: Tensor) -> Revealed:
    """Put in place what is to be revealed of the guesses [blocks * length]; `ends` are ids [any number]."""
    if runs_triton(canvas.token_ids):
        from nemotron_kernels.diffusion_sampler import kernel

        return kernel.reveal(canvas, guesses, policy, ends)
    return reference.reveal(canvas, guesses, policy, ends)
