"""Which answers do the figures rest on?

One line of JSON an answer, so that a figure can be checked and a failure be read.
"""

import json
from collections.abc import Iterator, Sequence

from nemotron_backend.evaluation.answer import Answer
from nemotron_backend.evaluation.run import Asked
from nemotron_backend.recipes.tasks import Example, is_correct


def lines(asked: Sequence[Asked], examples: Sequence[Example]) -> Iterator[str]:
    """The answers of the first pass, point after point."""
    for each in asked:
        for example, answer in zip(examples, each.answers, strict=True):
            yield _line(each.point.label, example, answer)


def _line(label: str, example: Example, answer: Answer) -> str:
    return json.dumps(
        {
            "point": label,
            "task": example.task,
            "level": example.level,
            "question": example.question,
            "expected": example.answer,
            "reasoning": answer.reasoning,
            "answer": answer.text,
            "is_correct": is_correct(example, answer.text),
            "tokens": answer.usage.completion_tokens,
            "forwards": answer.usage.forwards,
        },
        ensure_ascii=False,
    )
