"""How does a hybrid network predict several tokens ahead by a block of its own?

One step of the block reads what the network made of a token and the embedding of the next one, and makes
what the network would make of that; so the head tells the token after it. Further on it reads what it made
itself. It was trained on the whole network, so nested sizes go without.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_mtp_tensors import EMBEDDING_NORM, ENTRANCE, HIDDEN_NORM, last_norm
from nemotron_backend.model.network import Ahead, Batch, LayerCache, Segment
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.prediction_cache import PredictionCache, Reading
from nemotron_backend.model.stack import Stack

# Vectors of this many numbers are the longest that a processor takes; what does not fill them is computed
# otherwise, with another last bit, when it comes among others.
_VECTOR = 32


class PredictionBlock:
    """The layers under `mtp.` with the norms around them; embedding and head are the network's."""

    def __init__(self, config: NemotronHConfig, parts: Parts, embedding: Tensor) -> None:
        self._config = config
        self._embedding = embedding
        self._embedding_norm = parts.tensors[EMBEDDING_NORM]
        self._hidden_norm = parts.tensors[HIDDEN_NORM]
        self._entrance = parts.linears[ENTRANCE]
        self._last_norm = parts.tensors[last_norm(config)]
        self._stack = Stack(config, parts)

    @property
    def cache_bytes_per_token(self) -> int:
        """What one more token costs in keys and values."""
        heads = 2 * self._config.num_kv_heads * self._config.head_dim
        return len(self._stack.attending) * heads * torch.float32.itemsize

    def make_cache(self, capacity: int) -> PredictionCache:
        """A cache of one sequence, which takes its memory when it is used."""
        return PredictionCache(lambda: self._stack.make_cache(capacity))

    def follow(self, batch: Batch, hidden: Tensor) -> None:
        """See what the network made of a forward's tokens, [tokens, hidden], and read what is sure of it."""
        token_ids = batch.token_ids.tolist()
        readings: list[Reading] = []
        for segment in batch.segments:
            rows = slice(segment.start, segment.start + segment.length)
            cache = segment.cache[-1]
            if not segment.is_followed or not isinstance(cache, PredictionCache):
                continue
            cache.follow(segment, token_ids[rows], hidden[rows])
            # Single tokens wait for the next draft, and what may be taken back is not read before it stands.
            if segment.length > 1 and not segment.is_revocable:
                readings.append(cache.take_pairs())
        if readings := [reading for reading in readings if reading.token_ids]:
            self._read(readings)

    def predict(self, aheads: Sequence[Ahead]) -> Tensor:
        """What the network would make of each sequence's next token, [sequences, hidden]."""
        caches = [prediction_cache(ahead.cache) for ahead in aheads]
        readings = [cache.take_all(ahead.token_id) for cache, ahead in zip(caches, aheads, strict=True)]
        lengths = [len(reading.token_ids) for reading in readings]
        made = self._read(readings)[torch.tensor(lengths).cumsum(0) - 1]
        for cache, row in zip(caches, torch.split(made, 1), strict=True):
            cache.make_up(row)
        return made

    def _read(self, readings: Sequence[Reading]) -> Tensor:
        """What the block makes of every pair, [pairs, hidden]; every cache is extended by its pairs."""
        token_ids = torch.tensor([token for reading in readings for token in reading.token_ids])
        embedded = F.embedding(token_ids, self._embedding).float()
        rows = torch.cat([reading.rows for reading in readings])
        norm = self._stack.norm
        joined = torch.cat((norm(embedded, self._embedding_norm), norm(rows, self._hidden_norm)), dim=-1)
        hidden = self._stack.run(self._entrance(joined), _segments(readings))
        return norm(hidden, self._last_norm)


def prediction_cache(cache: Sequence[LayerCache]) -> PredictionCache:
    """The block's own among the caches of a sequence."""
    own = cache[-1]
    if not isinstance(own, PredictionCache):
        raise TypeError("a sequence whose cache is another size's was asked to be drafted")
    return own


def _segments(readings: Sequence[Reading]) -> list[Segment]:
    lengths = [len(reading.token_ids) for reading in readings]
    starts = [0, *accumulate(lengths)]
    return [
        Segment(cache=reading.layers, start=start, length=length, position=reading.position)
        for reading, start, length in zip(readings, starts, lengths, strict=False)
    ]


def fits_vectors(config: NemotronHConfig) -> bool:
    """Whether a token's numbers can be had to the last bit, however many others come with it.

    All released checkpoints fit. One group, or one key head, is multiplied otherwise than several.
    """
    kinds = set(config.layers)
    widths = {
        "mamba": (config.mamba_num_heads, config.inner_size, config.convolution_size),
        "experts": (config.n_routed_experts,),
    }
    is_even = all(width % _VECTOR == 0 for kind in kinds & set(widths) for width in widths[kind])
    has_several_groups = "mamba" not in kinds or config.n_groups > 1
    return is_even and has_several_groups and ("attention" not in kinds or config.num_kv_heads > 1)
