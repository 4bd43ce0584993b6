"""Which token is drawn from a row of logits?

Order of the settings, as in transformers: penalties, bias, temperature, top_k, top_p, min_p.
"""

import random
from collections.abc import Sequence

import numpy as np
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
        self._noise = torch.Generator().manual_seed(random.Random(f"{sampling.seed} noise").getrandbits(63))
        self._penalties = _Penalties(sampling, prompt_ids) if _has_penalties(sampling) else None
        self._bias_ids = torch.tensor([token_id for token_id, _ in sampling.logit_bias], dtype=torch.int64)
        self._bias = torch.tensor([bias for _, bias in sampling.logit_bias], dtype=torch.float32)

    @property
    def is_greedy(self) -> bool:
        """Whether it takes the likeliest token, without random numbers."""
        return self._sampling.temperature == 0

    def draw(self, logits: Tensor) -> int:
        """A token id for one row of logits [vocabulary]."""
        adjusted = self.adjust(logits)
        if self.is_greedy:
            return int(adjusted.argmax())
        probabilities, ids = candidates(adjusted, self._sampling)
        rank = self.pick(probabilities)
        return int(ids[rank]) if ids is not None else rank

    def chances(self, logits: Tensor) -> Tensor:
        """How likely `draw` is to give each token, float64 [vocabulary], at a temperature above 0."""
        probabilities, ids = candidates(self.adjust(logits), self._sampling)
        if ids is not None:
            probabilities = torch.zeros(len(logits)).index_put_((ids,), probabilities)
        wide = probabilities.double()
        return wide / wide.sum()

    def pick(self, weights: Tensor) -> int:
        """A place of a row of weights, by the next random number."""
        cumulative = weights.cumsum(0, dtype=torch.float64)
        place = torch.searchsorted(cumulative, self.uniform() * float(cumulative[-1]), right=True)
        return min(int(place), len(cumulative) - 1)

    def uniform(self) -> float:
        """The next random number, at least 0 and below 1."""
        return self._random.random()

    def draw_by_noise(self, logits: Tensor) -> int:
        """A token id as `draw` gives, by the Gumbel trick, which leaves a whole row of places in any order.

        The likeliest of exp(logit) / (-ln u) ** temperature, in float64; excluded tokens have no part.
        """
        adjusted = self.adjust(logits)
        if self.is_greedy:
            return int(adjusted.argmax())
        probabilities, ids = candidates(adjusted, self._sampling)
        noise = torch.empty(len(logits), dtype=torch.float64).exponential_(generator=self._noise)
        rank = int((probabilities.double() / (noise if ids is None else noise[ids])).argmax())
        return rank if ids is None else int(ids[rank])

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
    """Weights of the tokens that may be drawn, with their ids; no ids when all of the vocabulary may.

    Every setting that excludes tokens is a least probability, so tokens as likely as the last one stay.
    """
    scaled = (logits - logits.max()) / max(sampling.temperature, _MIN_TEMPERATURE)
    probabilities = scaled.softmax(0)
    least = max(_least_of_best(probabilities, sampling), sampling.min_p * float(probabilities.max()))
    if least <= 0:
        return probabilities, None
    ids = (probabilities >= least).nonzero().squeeze(1)
    return probabilities[ids], ids


def _least_of_best(probabilities: Tensor, sampling: Sampling) -> float:
    """The probability of the last token that top_k and top_p keep; 0 when they keep all."""
    if 0 < sampling.top_k < len(probabilities):
        best = probabilities.topk(sampling.top_k).values
        mass = sampling.top_p * float(best.sum(dtype=torch.float64))
        return float(best[-1]) if sampling.top_p >= 1 else _edge(best, mass)
    if sampling.top_p >= 1:
        return 0.0
    return _edge(_likeliest(probabilities, sampling.top_p), sampling.top_p)


def _likeliest(probabilities: Tensor, mass: float) -> Tensor:
    """The highest probabilities, falling, at least `mass` of them together."""
    best = probabilities.topk(min(_NUCLEUS, len(probabilities))).values
    if float(best.sum(dtype=torch.float64)) >= mass:
        return best
    # NumPy sorts numbers without their places some times faster than torch sorts both.
    return torch.from_numpy(np.sort(probabilities.numpy())[::-1].copy())


def _edge(best: Tensor, mass: float) -> float:
    """The last of the fewest probabilities that together have at least `mass`; `best` falls."""
    before = best.cumsum(0, dtype=torch.float64) - best
    return float(best[max(1, int((before < mass).sum())) - 1])


def _has_penalties(sampling: Sampling) -> bool:
    return (
        sampling.repetition_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
    )
