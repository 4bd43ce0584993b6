"""Which tokens end a model's thoughts, and which stand between thoughts and answer?"""

from collections.abc import Sequence
from dataclasses import dataclass

from nemotron_backend.engine import Engine
from nemotron_backend.request import Conversation, Message, Text, Token

_END = "</think>"
_FORCED_END = f"\n\n{_END}"
_LINE_ENDS = ("\n", "\n\n")
_ANSWER = "42"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """A model's own tokens. `forced` are a blank line and the end, `bridge` what its template puts behind."""

    end_id: int
    line_ends: tuple[int, ...]
    forced: tuple[Token, ...]
    bridge: tuple[Token, ...]

    def handover(self, thoughts: Sequence[int]) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        """What must follow thoughts: the rest of a forced end, unless it stands there, and the bridge."""
        if thoughts and thoughts[-1] == self.end_id:
            return (), self.bridge
        return self._forced_after(thoughts), self.bridge

    def _forced_after(self, thoughts: Sequence[int]) -> tuple[Token, ...]:
        """A beginning of the forced end that the model has just written is not repeated."""
        forced = [token.id for token in self.forced]
        for length in range(len(forced) - 1, 0, -1):
            if list(thoughts[-length:]) == forced[:length]:
                return self.forced[length:]
        return self.forced


async def read_marks(engine: Engine, model: str) -> Marks | None:
    """The marks of a model; None if its tokenizer has no single token for the end of thoughts."""
    end = await _ids(engine, model, _END)
    if len(end) != 1:
        return None
    lines = [await _ids(engine, model, text) for text in _LINE_ENDS]
    return Marks(
        end_id=end[0],
        line_ends=tuple(line[0] for line in lines if len(line) == 1),
        forced=await _tokens(engine, model, await _ids(engine, model, _FORCED_END)),
        bridge=await _bridge(engine, model, end[0]),
    )


async def _ids(engine: Engine, model: str, text: str) -> tuple[int, ...]:
    """The text's own ids, without what a tokenizer puts before every text."""
    ids = await engine.tokenize(model, Text(text=text))
    while ids and await engine.detokenize(model, ids) != text:
        ids = ids[1:]
    return ids


async def _tokens(engine: Engine, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
    """Tokens that nobody draws: they are certain."""
    texts = [await engine.detokenize(model, (token_id,)) for token_id in ids]
    return tuple(
        Token(id=token_id, bytes=text.encode(), logprob=0.0, top=())
        for token_id, text in zip(ids, texts, strict=True)
    )


async def _bridge(engine: Engine, model: str, end_id: int) -> tuple[Token, ...]:
    """What the model's template writes between the end of thoughts and an answer: a line end, mostly."""
    question = Message(role="user", content="?")
    answer = Message(role="assistant", content=_ANSWER, reasoning="?")
    probe = Conversation(messages=(question, answer), keeps_thoughts=True)
    ids = await engine.tokenize(model, probe)
    if end_id not in ids:
        return ()
    rest = await engine.detokenize(model, ids[ids.index(end_id) + 1 :])
    bridge, answered, _ = rest.partition(_ANSWER)
    if not answered or bridge.strip():
        return ()
    return await _tokens(engine, model, await _ids(engine, model, bridge) if bridge else ())
