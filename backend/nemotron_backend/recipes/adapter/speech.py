"""What does the model say when it plays both parts of a conversation?

Its chat template up to where a user speaks makes it write a question, the template behind that its answer.
So it is taught on text of its own, without any data set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from nemotron_backend.embedded.chat_template import ChatTemplate, read_source
from nemotron_backend.model.network import Batch, LayerCache, Network, Segment
from nemotron_backend.recipes.dialogue import Dialogue
from nemotron_backend.request import Conversation, Message

_LONGEST_QUESTION, _LONGEST_ANSWER = 80, 160
_QUESTION_WARMTH, _ANSWER_WARMTH = 1.0, 0.5
_CHOICES = 50
_PLACE = "PLACEHOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Token ids before a question, between it and the answer, and the one that ends either."""

    opening: tuple[int, ...]
    between: tuple[int, ...]
    end: int

    @classmethod
    def read(cls, folder: Path, end: str) -> "Scene":
        """The scene as the template of a checkpoint sets it; `between` begins with the end of a question."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = ChatTemplate(read_source(folder), {})
        text = template.render(Conversation(messages=(Message(role="user", content=_PLACE),)))
        before, after = text.split(_PLACE)

        def ids(part: str) -> tuple[int, ...]:
            return tuple(tokenizer.encode(part, add_special_tokens=False).ids)

        return cls(opening=ids(before), between=ids(after), end=ids(end)[0])


@dataclass(slots=True)
class _Line:
    """What was said so far, of which `num_held` tokens are in the cache."""

    cache: Sequence[LayerCache]
    ids: list[int] = field(default_factory=list)
    num_held: int = 0


def speak(network: Network, scene: Scene, count: int, generator: torch.Generator) -> list[Dialogue]:
    """So many conversations, all at once. What is cut short has no end token."""
    capacity = len(scene.opening) + len(scene.between) + _LONGEST_QUESTION + _LONGEST_ANSWER
    lines = [_Line(network.make_cache(capacity), list(scene.opening)) for _ in range(count)]
    _say(network, lines, scene.end, _LONGEST_QUESTION, _QUESTION_WARMTH, generator)
    lengths: list[int] = []
    for line in lines:
        line.ids += scene.between[line.ids[-1] == scene.end :]
        lengths.append(len(line.ids))
    _say(network, lines, scene.end, _LONGEST_ANSWER, _ANSWER_WARMTH, generator)
    return [
        Dialogue(prompt=tuple(line.ids[:length]), answer=tuple(line.ids[length:]))
        for line, length in zip(lines, lengths, strict=True)
    ]


def _say(
    network: Network, lines: list[_Line], end: int, most: int, warmth: float, generator: torch.Generator
) -> None:
    for _ in range(most):
        if not lines:
            return
        likeliest = _forward(network, lines).topk(_CHOICES)
        drawn = torch.multinomial((likeliest.values / warmth).softmax(-1), 1, generator=generator)
        for line, token_id in zip(lines, likeliest.indices.gather(1, drawn)[:, 0].tolist(), strict=True):
            line.ids.append(token_id)
        lines = [line for line in lines if line.ids[-1] != end]


def _forward(network: Network, lines: list[_Line]) -> Tensor:
    """Logits [lines, vocabulary] for what follows each."""
    ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    for line in lines:
        new = line.ids[line.num_held :]
        segments.append(Segment(cache=line.cache, start=len(ids), length=len(new), position=line.num_held))
        ids += new
        positions += range(line.num_held, len(line.ids))
        line.num_held = len(line.ids)
    ends = [segment.start + segment.length - 1 for segment in segments]
    return network.forward(
        Batch(
            token_ids=torch.tensor(ids),
            positions=torch.tensor(positions),
            segments=tuple(segments),
            logit_rows=torch.tensor(ends),
        )
    )
