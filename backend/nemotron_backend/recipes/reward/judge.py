"""What does a saved reward checkpoint say of answers, as it is served?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from nemotron_backend.embedded.tokenization import Tokenization
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.recipes.tasks import Example
from nemotron_backend.request import Conversation, Message, Precision

_TOGETHER = 64


class Judge:
    """The network of a folder in one precision."""

    def __init__(self, folder: Path, precision: Precision = "bf16") -> None:
        checkpoint = open_checkpoint(folder)
        self._attributes = checkpoint.attributes
        self._network = checkpoint.network("full", precision, "packed")
        self._tokenization = Tokenization.read(folder)

    def scores(self, example: Example, answers: Sequence[str]) -> list[Mapping[str, float]]:
        """The scores of each answer to a question."""
        rows = [self._tokenization.encode(_conversation(example, answer)) for answer in answers]
        return [scores for start in range(0, len(rows), _TOGETHER) for scores in self._run(rows[start:])]

    def _run(self, rows: Sequence[Sequence[int]]) -> Iterator[Mapping[str, float]]:
        segments: list[Segment] = []
        for row in rows[:_TOGETHER]:
            start = segments[-1].start + segments[-1].length if segments else 0
            cache = self._network.make_cache(len(row))
            segments.append(Segment(cache=cache, start=start, length=len(row), position=0))
        logits = self._network.forward(
            Batch(
                token_ids=torch.tensor([token for row in rows[:_TOGETHER] for token in row]),
                positions=torch.tensor([place for row in rows[:_TOGETHER] for place in range(len(row))]),
                segments=tuple(segments),
                logit_rows=torch.tensor([segment.start + segment.length - 1 for segment in segments]),
            )
        )
        for values in logits.tolist():
            yield dict(zip(self._attributes, values, strict=True))


def _conversation(example: Example, answer: str) -> Conversation:
    system = (Message(role="system", content=example.system),) if example.system else ()
    asked = Message(role="user", content=example.question)
    messages = (*system, asked, Message(role="assistant", content=answer))
    return Conversation(messages=messages, is_finished=True)
