"""What does one step look at?

A question is read once for all of its answers: they lie behind it in one row, each at the places right
after the question, and none sees another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from random import Random

import torch
from jinja2 import Template
from tokenizers import Tokenizer
from torch import Tensor

from nemotron_backend.recipes.dialogue import template
from nemotron_backend.recipes.reward.candidates import Candidate, candidates
from nemotron_backend.recipes.tasks import Example

_PAD = 0
_FULL = 4.0
_NUM_LAST = 2  # tokens behind an answer: its end and a new line
# Answers begin behind the marks of thoughts that were left out.
_BEGIN = "</think>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Token ids of a question and of each answer with all that the template puts around it."""

    question: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    candidates: tuple[Candidate, ...]

    def __len__(self) -> int:
        return len(self.question) + sum(map(len, self.answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A batch: ids, places and mask as the network takes them; rows count through all tokens.

    `points` [answers, 5] are due at `ends`. At `inner_rows` only a part of an answer is known, and
    `inner_points` of correctness are due: full ones as long as the right answer begins like that. Behind
    `said_rows` the right answers go on with `said`, so that the network also learns to give them.
    """

    token_ids: Tensor
    positions: Tensor
    mask: Tensor
    ends: Tensor
    points: Tensor
    inner_rows: Tensor
    inner_points: Tensor
    said_rows: Tensor
    said: Tensor


class Script:
    """Writes questions and answers as the chat template and the tokenizer have it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._template = template()
        self._begin = tokenizer.token_to_id(_BEGIN)

    def exchange(self, example: Example, answers: Sequence[Candidate]) -> Exchange:
        """A question with these answers to it."""
        question = _render(self._template, example, None)
        wholes = [_render(self._template, example, answer.text) for answer in answers]
        return Exchange(
            question=self._ids(question),
            answers=tuple(self._ids(whole.removeprefix(question)) for whole in wholes),
            candidates=tuple(answers),
        )

    def exchanges(self, examples: Iterator[Example], seed: int) -> Iterator[Exchange]:
        """Every example once, with answers of all kinds."""
        rng = Random(seed)
        return (self.exchange(example, tuple(candidates(rng, example))) for example in examples)

    def first_of(self, answer: Sequence[int]) -> int:
        """The place in an answer behind which its text begins."""
        return answer.index(self._begin)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)


def lesson(exchanges: Sequence[Exchange], script: Script) -> Lesson:
    """The batch of these exchanges, one a row."""
    width = max(map(len, exchanges))
    rows = [_Row(exchange, script, width) for exchange in exchanges]
    owners = torch.tensor([row.owners for row in rows])
    return Lesson(
        token_ids=torch.tensor([row.token_ids for row in rows]),
        positions=torch.tensor([row.positions for row in rows]),
        mask=_mask(owners),
        ends=torch.tensor([place * width + end for place, row in enumerate(rows) for end in row.ends]),
        points=torch.tensor([astuple(c.points) for exchange in exchanges for c in exchange.candidates]),
        inner_rows=torch.tensor([place * width + at for place, row in enumerate(rows) for at in row.inner]),
        inner_points=torch.tensor([points for row in rows for points in row.inner.values()]),
        said_rows=torch.tensor([place * width + said for place, row in enumerate(rows) for said in row.said]),
        said=torch.tensor([row.token_ids[said + 1] for row in rows for said in row.said]),
    )


class _Row:
    """One exchange laid out: owner 0 is the question, 1 and up the answers, -1 the padding."""

    def __init__(self, exchange: Exchange, script: Script, width: int) -> None:
        self.token_ids = list(exchange.question)
        self.positions = list(range(len(self.token_ids)))
        self.owners = [0] * len(self.token_ids)
        self.ends: list[int] = []
        self.inner: dict[int, float] = {}
        self.said: list[int] = []
        right = exchange.answers[0]
        first = len(self.token_ids)
        for owner, (answer, candidate) in enumerate(
            zip(exchange.answers, exchange.candidates, strict=True), start=1
        ):
            begin = len(self.token_ids)
            self.token_ids += answer
            self.positions += range(first, first + len(answer))
            self.owners += [owner] * len(answer)
            self.ends.append(len(self.token_ids) - 1)
            if candidate.frame == "bare":
                told = range(script.first_of(answer) + 1, len(answer) - _NUM_LAST)
                number = next((at for at in told if answer[: at + 1] != right[: at + 1]), told.stop)
                due = candidate.points.correctness
                self.inner |= {begin + at: _FULL if at < number else due for at in told}
            if (candidate.flaw, candidate.frame) == ("none", "bare"):
                self.said += range(begin + script.first_of(answer), len(self.token_ids) - 1)
        num_missing = width - len(self.token_ids)
        self.token_ids += [_PAD] * num_missing
        self.positions += [0] * num_missing
        self.owners += [-1] * num_missing


def _mask(owners: Tensor) -> Tensor:
    """Which tokens see which [rows, 1, width, width]: what came before of the question and of their own."""
    width = owners.shape[1]
    before = torch.ones(width, width, dtype=torch.bool).tril()
    seen = (owners[:, None, :] == 0) | (owners[:, None, :] == owners[:, :, None])
    return (before & seen)[:, None]


def _render(source: Template, example: Example, answer: str | None) -> str:
    messages = [{"role": "system", "content": example.system}] if example.system else []
    messages.append({"role": "user", "content": example.question})
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    return source.render(messages=messages)
