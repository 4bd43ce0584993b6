"""What does it mean to verify a draft, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.diffusion_sampler import without_mask
from nemotron_kernels.draft_verification.draft import Draft, Verdict
from nemotron_kernels.noise import (
    STREAM_OF_JUDGEMENT,
    STREAM_OF_SECOND_CHOICE,
    Drawing,
    exponential,
    uniform,
)

# Below this a temperature divides everything but the maximum out of float32's range anyway.
LEAST_TEMPERATURE = 1e-5


def match(chosen: Tensor, draft: Draft) -> Verdict:
    """Drafted tokens stand while they are what was `chosen` [batch, most + 1] after the token before."""
    num_accepted = _num_first(chosen[:, :-1] == draft.tokens, draft.lengths)
    return Verdict(num_accepted=num_accepted, bonus=chosen.gather(1, num_accepted[:, None]).squeeze(1))


def reject(logits: Tensor, draft: Draft, drawing: Drawing) -> Verdict:
    """Rejection sampling against logits [batch, most + 1, vocabulary] that follow each token."""
    wanted, drafted = _chances(logits, drawing), _chances_of(draft, drawing, logits.shape[-1])
    tokens = draft.tokens.clamp(0)[..., None]
    own, certainty = wanted[:, :-1].gather(2, tokens), drafted[:, :-1].gather(2, tokens)
    stands = _uniform(drawing, tokens.shape[1]) * certainty.squeeze(2) < own.squeeze(2)
    num_accepted = _num_first(stands, draft.lengths)
    row, last = torch.arange(len(logits), device=logits.device), F.pad(draft.tokens, (0, 1))
    refused = last[row, num_accepted]
    rest = residual(wanted[row, num_accepted], refused, drafted[row, num_accepted])
    is_complete = (num_accepted == draft.lengths)[:, None]
    weights = torch.where(is_complete, wanted[row, num_accepted], rest)
    waits = exponential(
        drawing.seeds, drawing.counters + num_accepted, logits.shape[-1], STREAM_OF_SECOND_CHOICE
    )
    # Nothing is left over only where rounding alone has refused the token.
    bonus = torch.where((weights > 0).any(dim=-1), (weights / waits).argmax(dim=-1), refused)
    return Verdict(num_accepted=num_accepted, bonus=bonus)


def residual(wanted: Tensor, refused: Tensor, drafted: Tensor | None) -> Tensor:
    """Weights [..., vocabulary] of what is drawn instead of a token [...] that was refused.

    `drafted` are the chances that it was drafted with; None where it was certain.
    """
    rest = wanted.clone() if drafted is None else wanted - drafted
    return rest.scatter_(-1, refused[..., None], 0.0).clamp_(min=0)


def _num_first(stands: Tensor, lengths: Tensor) -> Tensor:
    place = torch.arange(stands.shape[1], device=stands.device)
    return (stands & (place < lengths[:, None])).long().cumprod(dim=1).sum(dim=1)


def _chances(logits: Tensor, drawing: Drawing) -> Tensor:
    temperatures = drawing.temperatures.clamp_min(LEAST_TEMPERATURE).double()[:, None, None]
    return (logits.double() / temperatures).softmax(dim=-1)


def _chances_of(draft: Draft, drawing: Drawing, size: int) -> Tensor:
    """Of every token at every place, with one more place at which none was drafted."""
    if draft.logits is None:
        chances = F.one_hot(draft.tokens.clamp(0), size).double()
    else:
        allowed = without_mask(draft.logits.flatten(0, 1), draft.mask_id).view(draft.logits.shape)
        chances = _chances(allowed, drawing)
    return F.pad(chances, (0, 0, 0, 1))


def _uniform(drawing: Drawing, num_places: int) -> Tensor:
    """One number for each place, as a row's counter moves on by one a place."""
    places = torch.arange(num_places, device=drawing.seeds.device)
    counters = (drawing.counters[:, None] + places).flatten()
    seeds = drawing.seeds.repeat_interleave(num_places)
    return uniform(seeds, counters, places.new_zeros(1), STREAM_OF_JUDGEMENT).view(-1, num_places)
