"""How do scores read as a chat answer?

As NVIDIA's reward models write them: pairs of a name and a number as the content, and the same among the
log-probabilities, where the name stands for a token and the score for its logarithm.
"""

from collections.abc import Sequence

from nemotron_app.wire.answer import ChatChoice, ChatChunkChoice, ChatDelta, ChatLogprobs
from nemotron_app.wire.form import Choice
from nemotron_backend.request import Delta, Score

# float32 sums depend on what else is in a batch beyond this.
_DIGITS = 5


class ScoreForm:
    """A Form for reward models; scores come in one piece."""

    id_prefix = "chatcmpl-"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def opening(self, index: int) -> ChatChunkChoice:
        delta: ChatDelta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, delta: Delta, *, logprobs: bool, offset: int) -> ChatChunkChoice:
        news: ChatDelta = {"content": content_of(delta.scores)} if delta.scores else {}
        return {
            "index": delta.index,
            "delta": news,
            "logprobs": _logprobs(delta.scores) if delta.scores else None,
            "finish_reason": delta.finish,
        }

    def whole(self, choice: Choice, *, logprobs: bool) -> ChatChoice:
        return {
            "index": choice.index,
            "message": {"role": "assistant", "content": content_of(choice.scores), "refusal": None},
            "logprobs": _logprobs(choice.scores),
            "finish_reason": choice.finish,
        }


def content_of(scores: Sequence[Score]) -> str:
    """As in `helpfulness:1.6172,correctness:1.6484`."""
    return ",".join(f"{score.name}:{rounded(score.value)}" for score in scores)


def rounded(value: float) -> float:
    """The score as far as it is the same however it was computed."""
    return round(value, _DIGITS)


def _logprobs(scores: Sequence[Score]) -> ChatLogprobs:
    return {
        "content": [
            {
                "token": score.name,
                "logprob": rounded(score.value),
                "bytes": list(score.name.encode()),
                "top_logprobs": [],
            }
            for score in scores
        ],
        "refusal": None,
    }
