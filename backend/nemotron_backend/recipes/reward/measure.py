"""How often does a reward checkpoint put the right answer above a wrong one?

`python -m nemotron_backend.recipes.reward.measure FOLDER` asks held-out questions. Each right answer meets a
wrong one of every flaw, said in the same manner, and the sums of their scores with NVIDIA's weights are
compared.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random

from nemotron_backend.recipes.reward.flaws import FLAWS, Flaw, spoil
from nemotron_backend.recipes.reward.judge import Judge
from nemotron_backend.recipes.reward.rubric import points_of
from nemotron_backend.recipes.reward.train import LEVELS
from nemotron_backend.recipes.tasks import Example, held_out
from nemotron_backend.request import PRECISIONS
from nemotron_backend.rewards import scalar

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A right answer against a wrong one: its lead, and by how much the wrong one's points are off."""

    task: str
    flaw: Flaw
    lead: float
    errors: Mapping[str, float]


def pairs(judge: Judge, num_questions: int, seed: int) -> Iterator[Pair]:
    """Every pair of so many held-out questions."""
    rng = Random(seed)
    for example in islice(held_out(seed, LEVELS), num_questions):
        wrong = dict(_wrong(rng, example))
        right, *others = judge.scores(example, [example.answer, *wrong.values()])
        for flaw, scores in zip(wrong, others, strict=True):
            due = asdict(points_of(flaw, "bare"))
            errors = {name: abs(scores[name] - due[name]) for name in due}
            yield Pair(task=example.task, flaw=flaw, lead=scalar(right) - scalar(scores), errors=errors)


def accuracy(found: Sequence[Pair]) -> float:
    """The share of pairs in which the right answer is ahead."""
    return sum(pair.lead > 0 for pair in found) / len(found)


def table(found: Sequence[Pair]) -> str:
    """Accuracy by task and flaw, as Markdown."""
    flaws = [flaw for flaw in FLAWS if flaw != "none"]
    cells: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in found:
        for task in (pair.task, "all"):
            for flaw in (pair.flaw, "all"):
                cells[task, flaw].append(pair)
    lines = [f"| Task | {' | '.join(flaws)} | all |", f"| --- |{' ---: |' * (len(flaws) + 1)}"]
    for task in [*sorted({pair.task for pair in found}), "all"]:
        shares = [_share(cells[task, flaw]) for flaw in (*flaws, "all")]
        lines.append(f"| {task} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _share(found: Sequence[Pair]) -> str:
    return f"{100 * accuracy(found):.1f}" if found else ""


def _wrong(rng: Random, example: Example) -> Iterator[tuple[Flaw, str]]:
    """An answer of each flaw, where the right one can be spoilt so."""
    for flaw in FLAWS:
        made = (spoil(rng, example, flaw) for _ in range(_TRIES))
        text = next((text for text in made if text is not None), None)
        if flaw != "none" and text is not None:
            yield flaw, text


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    asked = parser.parse_args()
    found = list(pairs(Judge(asked.folder, asked.precision), asked.questions, asked.seed))
    print(f"{100 * accuracy(found):.2f} % of {len(found)} pairs of {asked.questions} questions\n")
    print(table(found))
    names = found[0].errors
    errors = {name: sum(pair.errors[name] for pair in found) / len(found) for name in names}
    print(
        f"\nmean error of wrong answers: {', '.join(f'{name} {value:.2f}' for name, value in errors.items())}"
    )


if __name__ == "__main__":
    main()
