"""How does a sequence get its next token, one at a time from left to right?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.embedded.logprobs import token_of
from nemotron_backend.embedded.runner import run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Network
from nemotron_backend.request import Forward, ForwardKind, Token, TracedToken


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step brought one sequence; prompts that are not complete yet bring no token."""

    sequence: TokenSequence
    tokens: tuple[Token, ...]


def step(network: Network, chunks: Sequence[Chunk], clock: Callable[[], float]) -> list[Advance]:
    """Run every chunk in one forward, and draw one token where all before it is known."""
    kinds: list[ForwardKind] = ["prefill" if c.sequence.is_prefilling else "decode" for c in chunks]
    completed = [chunk.completes for chunk in chunks]
    started = clock()
    rows = iter(run(network, chunks))
    milliseconds = 1000 * (clock() - started)
    advances: list[Advance] = []
    for chunk, kind, is_complete in zip(chunks, kinds, completed, strict=True):
        tokens = (_draw(chunk.sequence, next(rows)),) if is_complete else ()
        chunk.sequence.record(_forward(chunk.sequence, kind, milliseconds, tokens))
        advances.append(Advance(chunk.sequence, tokens))
    return advances


def _draw(sequence: TokenSequence, logits: Tensor) -> Token:
    return token_of(sequence.sampler.draw(logits), logits, sequence)


def _forward(
    sequence: TokenSequence, kind: ForwardKind, milliseconds: float, tokens: tuple[Token, ...]
) -> Forward:
    place = sequence.num_answered
    traced = (
        TracedToken(position=place + offset, id=token.id, state="accepted")
        for offset, token in enumerate(tokens)
    )
    return Forward(kind=kind, milliseconds=milliseconds, tokens=tuple(traced))
