"""How do chunks of many sequences go through the network at once?"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.model.network import Batch, Network, Segment


def run(network: Network, chunks: Sequence[Chunk]) -> Tensor:
    """Logits [completed chunks, vocabulary]; every sequence's cache then holds its chunk."""
    logits = network.forward(_batch(chunks))
    for chunk in chunks:
        chunk.sequence.num_computed += chunk.num_tokens
    return logits


def _batch(chunks: Sequence[Chunk]) -> Batch:
    token_ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    logit_rows: list[int] = []
    for chunk in chunks:
        sequence, begin = chunk.sequence, chunk.sequence.num_computed
        end = begin + chunk.num_tokens
        segments.append(_segment(chunk, len(token_ids)))
        token_ids += sequence.token_ids[begin:end]
        positions += range(begin, end)
        if chunk.completes:
            logit_rows.append(len(token_ids) - 1)
    return Batch(
        token_ids=torch.tensor(token_ids, dtype=torch.int64),
        positions=torch.tensor(positions, dtype=torch.int64),
        segments=tuple(segments),
        logit_rows=torch.tensor(logit_rows, dtype=torch.int64),
    )


def _segment(chunk: Chunk, start: int) -> Segment:
    sequence, begin = chunk.sequence, chunk.sequence.num_computed
    shared = sequence.shared_length
    return Segment(
        cache=sequence.cache,
        start=start,
        length=chunk.num_tokens,
        position=begin,
        snapshots=(shared,) if begin < shared <= begin + chunk.num_tokens else (),
    )
