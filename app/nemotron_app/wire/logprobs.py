"""How are log-probabilities spelled?"""

from collections.abc import Sequence

from nemotron_app.wire.answer import ChatLogprobs, TextLogprobs, TopLogprob
from nemotron_backend.request import Token, TokenChoice

# JSON has no infinity; OpenAI's API uses this for a token that cannot be.
_IMPOSSIBLE = -9999.0


def chat_logprobs(tokens: Sequence[Token]) -> ChatLogprobs:
    """As chat spells them."""
    content = [
        {**_spell(token), "top_logprobs": [_spell(choice) for choice in token.top]} for token in tokens
    ]
    return {"content": content, "refusal": None}  # type: ignore[typeddict-item]  # mypy loses `**_spell`


def text_logprobs(tokens: Sequence[Token], offset: int) -> TextLogprobs:
    """As plain completions spell them; the first token starts at character `offset`."""
    texts = [_text(token.bytes) for token in tokens]
    offsets = [offset + sum(map(len, texts[:place])) for place in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [{_text(c.bytes): _finite(c.logprob) for c in token.top} for token in tokens],
        "text_offset": offsets,
    }


def _spell(token: Token | TokenChoice) -> TopLogprob:
    return {"token": _text(token.bytes), "logprob": _finite(token.logprob), "bytes": list(token.bytes)}


def _text(content: bytes) -> str:
    """A token may end inside a character; OpenAI then shows the replacement sign beside the bytes."""
    return content.decode("utf-8", errors="replace")


def _finite(logprob: float) -> float:
    return max(logprob, _IMPOSSIBLE)
