"""How do scores of another server's reward model read?

As NVIDIA's write them, in the content: `helpfulness:1.26,correctness:0.44` and so on, or `reward:-3.5`.
"""

from collections.abc import Sequence

from nemotron_backend.engine import EngineFailed
from nemotron_backend.request import Delta, Score, Usage
from nemotron_backend.upstream.chunk import Chunk

_STRANGE = "the server that answers for this model gave no scores, but words"
_UNCOUNTED = "The server that answered did not tell what it cost."


def judgement(chunks: Sequence[Chunk], milliseconds: float) -> Delta:
    """The one delta of an answer that took so long. Raises EngineFailed."""
    said = [chunk.choices[0] for chunk in chunks if chunk.choices]
    messages = [choice.message or choice.delta for choice in said]
    counts = next((chunk.usage for chunk in chunks if chunk.usage), None)
    usage = Usage(
        prompt_tokens=counts.prompt_tokens if counts else 0,
        cached_tokens=0,
        completion_tokens=counts.completion_tokens if counts else 0,
        reasoning_tokens=0,
        forwards=0,
        queue_milliseconds=0.0,
        first_token_milliseconds=milliseconds,
        total_milliseconds=milliseconds,
        knows_forwards=False,
    )
    scores = _scores("".join(message.content or "" for message in messages if message))
    notice = "" if counts else _UNCOUNTED
    return Delta(index=0, scores=scores, finish="stop", usage=usage, notice=notice)


def _scores(content: str) -> tuple[Score, ...]:
    pairs = [pair.partition(":") for pair in content.split(",")]
    try:
        return tuple(Score(name=name.strip(), value=float(value)) for name, _, value in pairs)
    except ValueError as error:
        raise EngineFailed(_STRANGE) from error
