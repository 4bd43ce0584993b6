"""What does the echo engine read, and what does it say to that?

Its tokens are characters, so that every id is a code point. Where it thinks, the two marks of thoughts are
tokens too, and take code points that are private by definition.
"""

from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import Conversation, Prompt, Text, TokenIds

_BEGIN, _END = "\ue000", "\ue001"
_MARKS = {_BEGIN: "<think>", _END: "</think>"}


class Prose:
    """How one of its models turns prompts into text, and text into answers."""

    def __init__(self, *, thinks: bool) -> None:
        self._marks = _MARKS if thinks else {}

    def read(self, prompt: Prompt) -> str:
        """The prompt, one character a token. Raises InvalidRequest."""
        match prompt:
            case Conversation(messages=messages, is_thinking=is_thinking):
                begin = f"{_BEGIN}\n" if is_thinking else f"{_BEGIN}{_END}"
                return self._hide(messages[-1].content) + (begin if self._marks else "")
            case Text(text=text):
                return self._hide(text)
            case TokenIds(token_ids=token_ids):
                self.decode(token_ids)
                return "".join(map(chr, token_ids))

    def answer(self, prompt: str) -> str:
        """What is said to a prompt, or still to be said behind what stands there."""
        question, begin, said = prompt.rpartition(_BEGIN)
        if not (self._marks and begin):
            return prompt
        thought, end, answer = question.partition(_END)
        answer = answer.lstrip("\n") if end else question
        return answer if _END in said else f"{thought.rstrip()}\n{_END}\n{answer}"

    def show(self, text: str) -> str:
        """Text as people read it."""
        for mark, shown in self._marks.items():
            text = text.replace(mark, shown)
        return text

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """The text of tokens. Raises InvalidRequest."""
        try:
            return self.show("".join(map(chr, token_ids)))
        except (ValueError, OverflowError) as error:
            raise InvalidRequest("tokens", f"a token id is outside the vocabulary: {error}") from error

    def _hide(self, text: str) -> str:
        for mark, shown in self._marks.items():
            text = text.replace(shown, mark)
        return text
