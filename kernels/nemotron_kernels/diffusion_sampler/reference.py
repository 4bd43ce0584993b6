"""What do guessing and revealing masked tokens mean, in plain torch?"""

import torch
from torch import Tensor

from nemotron_kernels.diffusion_sampler.canvas import Canvas, Guesses, Policy, Revealed
from nemotron_kernels.noise import Drawing, exponential


def guess(
    logits: Tensor, mask_id: int, drawing: Drawing | None = None, is_wanted: Tensor | None = None
) -> Guesses:
    """A token for every row of logits [rows, vocabulary], and how likely the network finds it."""
    scores = without_mask(logits.float(), mask_id)
    if drawing is not None:
        waits = exponential(drawing.seeds, drawing.counters, logits.shape[1])
        scores = noisy(scores, drawing.temperatures, waits)
    tokens = scores.argmax(dim=-1)
    confidences = confidence(logits, tokens)
    if is_wanted is None:
        return Guesses(tokens=tokens, confidences=confidences)
    return Guesses(
        tokens=tokens.where(is_wanted, tokens.new_tensor(-1)),
        confidences=confidences.where(is_wanted, confidences.new_tensor(0.0)),
    )


def without_mask(logits: Tensor, mask_id: int) -> Tensor:
    """Rows of logits in which the mask has no part; it may lie outside the vocabulary."""
    if not 0 <= mask_id < logits.shape[1]:
        return logits
    allowed = logits.clone()
    allowed[:, mask_id] = -torch.inf
    return allowed


def noisy(logits: Tensor, temperatures: Tensor, waits: Tensor) -> Tensor:
    """Scores whose largest is a draw at a row's temperature, float64; the logits where that is 0."""
    wide = logits.double()
    drawn = wide - temperatures[:, None].double() * waits.log()
    return torch.where(temperatures[:, None] > 0, drawn, wide)


def confidence(logits: Tensor, tokens: Tensor) -> Tensor:
    """The softmax of each row at its token, float32 [rows]."""
    return logits.float().softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)


def reveal(canvas: Canvas, guesses: Guesses, policy: Policy, ends: Tensor) -> Revealed:
    """Put in place what is to be revealed of the guesses [blocks * length]; `ends` are ids [any number]."""
    confidences = guesses.confidences.view(canvas.token_ids.shape)
    is_new = _is_revealed(confidences, canvas.is_masked, policy)
    token_ids = torch.where(is_new, guesses.tokens.view(canvas.token_ids.shape), canvas.token_ids)
    is_masked = canvas.is_masked & ~is_new
    is_final = is_masked.cumsum(dim=1) == 0
    return Revealed(
        canvas=Canvas(token_ids=token_ids, is_masked=is_masked),
        num_final=is_final.sum(dim=1),
        is_finished=(is_final & torch.isin(token_ids, ends)).any(dim=1),
    )


def _is_revealed(confidences: Tensor, is_masked: Tensor, policy: Policy) -> Tensor:
    rank, num_masked = _rank(confidences, is_masked, policy), is_masked.sum(dim=1)
    is_unsure = is_masked & (confidences.double() < policy.thresholds[:, None])
    num_sure = torch.where(is_unsure, rank, num_masked[:, None]).amin(dim=1).clamp_min(1)
    share = -(-num_masked // policy.steps_left.clamp_min(1))
    count = torch.where(policy.steps_left > 0, share, num_sure)
    return is_masked & (rank < count[:, None])


def _rank(confidences: Tensor, is_masked: Tensor, policy: Policy) -> Tensor:
    """How many masks of the block come before each place; of equals the left one does."""
    place = torch.arange(confidences.shape[1], device=confidences.device)
    key = torch.where(policy.is_leftmost[:, None], -place.float(), confidences)
    before, this = key[:, :, None], key[:, None, :]
    is_before = (before > this) | ((before == this) & (place[:, None] < place))
    return (is_before & is_masked[:, :, None]).sum(dim=1)
