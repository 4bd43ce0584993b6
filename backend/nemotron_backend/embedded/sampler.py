"""Which token is drawn from a row of logits?

Order of the settings, as in transformers: penalties, bias, temperature, top_k, top_p, min_p.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.request import Sampling

# Below this a temperature divides everything but the maximum out of float32's range anyway.
_MIN_TEMPERATURE = 1e-5
# Most top_p nuclei are smaller than this; a larger one costs a sort of the whole vocabulary.
_NUCLEUS = 512


class Sampler:
    """Draws one sequence's tokens; its random numbers depend on its seed alone, never on its batch."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int]) -> None:
        self._sampling = sampling
        # A string seeds all bits of the state; a number's sign would be dropped.
        self._random = random.Random(str(sampling.seed))
        self._penalties = _Penalties(sampling, prompt_ids) if _has_penalties(sampling) else None
        self._bias_ids = torch.tensor([token_id for token_id, _ in sampling.logit_bias], dtype=torch.int64)
        self._bias = torch.tensor([bias for _, bias in sampling.logit_bias], dtype=torch.float32)

    def draw(self, logits: Tensor) -> int:
        """A token id for one row of logits [vocabulary]."""
        adjusted = self.adjust(logits)
        if self._sampling.temperature == 0:
            return int(adjusted.argmax())
        probabilities, ids = candidates(adjusted, self._sampling)
        cumulative = probabilities.cumsum(0, dtype=torch.float64)
        place = torch.searchsorted(cumulative, self._random.random() * float(cumulative[-1]), right=True)
        rank = min(int(place), len(cumulative) - 1)
        return int(ids[rank]) if ids is not None else rank

    def observe(self, token_id: int) -> None:
        """Count a token of the answer."""
        if self._penalties is not None:
            self._penalties.observe(token_id)

    def adjust(self, logits: Tensor) -> Tensor:
        """The row with penalties and bias applied, as a new tensor where they change it."""
        if self._penalties is not None:
            logits = self._penalties.apply(logits)
        if len(self._bias_ids):
            logits = logits.index_add(0, self._bias_ids, self._bias)
        return logits


class _Penalties:
    """Repetition looks at prompt and answer; presence and frequency, as OpenAI's, at the answer alone."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int]) -> None:
        self._sampling = sampling
        self._seen = set(prompt_ids)
        self._counts: dict[int, int] = {}

    def observe(self, token_id: int) -> None:
        self._seen.add(token_id)
        self._counts[token_id] = self._counts.get(token_id, 0) + 1

    def apply(self, logits: Tensor) -> Tensor:
        logits = logits.clone()
        if self._sampling.repetition_penalty != 1:
            seen = torch.tensor(list(self._seen), dtype=torch.int64)
            penalty = self._sampling.repetition_penalty
            values = logits[seen]
            logits[seen] = torch.where(values > 0, values / penalty, values * penalty)
        if self._counts:
            answered = torch.tensor(list(self._counts), dtype=torch.int64)
            counts = torch.tensor(list(self._counts.values()), dtype=torch.float32)
            logits[answered] -= self._sampling.presence_penalty + self._sampling.frequency_penalty * counts
        return logits


def candidates(logits: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor | None]:
    """Weights of the tokens that may be drawn, with their ids; no ids when all of the vocabulary may."""
    scaled = (logits - logits.max()) / max(sampling.temperature, _MIN_TEMPERATURE)
    probabilities = scaled.softmax(0)
    if 0 < sampling.top_k < len(probabilities):
        kept, ids = probabilities.topk(sampling.top_k)
        kept = kept / kept.sum()
        return _at_least(*_nucleus(kept, ids, sampling.top_p), sampling.min_p)
    if sampling.top_p < 1:
        kept, ids = _likeliest(probabilities, sampling.top_p)
        return _at_least(*_nucleus(kept, ids, sampling.top_p), sampling.min_p)
    if sampling.min_p > 0:
        ids = (probabilities >= sampling.min_p * probabilities.max()).nonzero().squeeze(1)
        return probabilities[ids], ids
    return probabilities, None


def _likeliest(probabilities: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """The most likely tokens in order, at least `mass` of them."""
    kept, ids = probabilities.topk(min(_NUCLEUS, len(probabilities)))
    if float(kept.sum(dtype=torch.float64)) >= mass:
        return kept, ids
    return probabilities.sort(descending=True)


def _nucleus(kept: Tensor, ids: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """The fewest tokens that together have at least `mass`; `kept` falls."""
    if mass >= 1:
        return kept, ids
    before = kept.cumsum(0, dtype=torch.float64) - kept
    size = max(1, int((before < mass).sum()))
    return kept[:size], ids[:size]


def _at_least(kept: Tensor, ids: Tensor, min_p: float) -> tuple[Tensor, Tensor]:
    if min_p <= 0:
        return kept, ids
    size = max(1, int((kept >= min_p * kept[0]).sum()))
    return kept[:size], ids[:size]


def _has_penalties(sampling: Sampling) -> bool:
    return (
        sampling.repetition_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
    )
