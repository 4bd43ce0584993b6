"""The task suite's answers are right, and its split is clean."""

import json
import re
from datetime import date, timedelta
from itertools import islice
from random import Random

import pytest

from nemotron_backend.recipes.tasks import TASKS, Example, held_out, is_correct, training


def examples(task: str, count: int = 200) -> list[Example]:
    rng = Random(7)
    return [TASKS[task].make(rng, rng.choice((1, 2, 3))) for _ in range(count)]


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_gives_same_examples(task: str) -> None:
    assert examples(task) == examples(task)


def test_training_never_shows_a_held_out_question() -> None:
    tested = {example.question for example in islice(held_out(1), 500) if example.task != "family"}
    learned = {example.question for example in islice(training(2), 5000)}
    assert len(tested) > 300
    assert not tested & learned


def test_every_task_is_in_both_splits() -> None:
    for split in (training(3), held_out(3)):
        assert {example.task for example in islice(split, 1000)} == set(TASKS)


def test_arithmetic_answers_are_true() -> None:
    for example in examples("arithmetic"):
        match = re.fullmatch(r"What is (\d+) ([-+*]) (\d+)\?", example.question)
        assert match is not None
        left, right = int(match[1]), int(match[3])
        assert int(example.answer) == {"+": left + right, "-": left - right, "*": left * right}[match[2]]


def test_arithmetic_steps_write_the_answer_from_its_last_digit() -> None:
    for example in examples("arithmetic"):
        written = "".join(re.findall(r"write (\d)", example.steps))[::-1]
        assert int(written or 0) == int(example.answer)


def test_sorting_answers_are_sorted() -> None:
    for example in examples("sorting"):
        order, numbers = re.fullmatch(r"Sort (\w+): (.*)", example.question).groups()  # type: ignore[union-attr]
        expected = sorted(map(int, numbers.split()), reverse=order == "descending")
        assert example.answer == " ".join(map(str, expected))


def test_dates_agree_with_the_calendar() -> None:
    for example in examples("dates"):
        if match := re.fullmatch(r"Which date is (\d+) days after (\S+)\?", example.question):
            assert example.answer == str(date.fromisoformat(match[2]) + timedelta(days=int(match[1])))


def test_extraction_answers_are_json_found_in_the_sentence() -> None:
    for example in examples("extraction"):
        for value in json.loads(example.answer).values():
            for part in value if isinstance(value, list) else [value]:
                assert str(part) in example.question


def test_problems_follow_their_steps() -> None:
    for example in examples("problems"):
        last = example.steps.splitlines()[-1].split()[-1]
        assert example.answer.split()[0] == last


def test_a_wrong_answer_is_not_correct() -> None:
    example = examples("arithmetic")[0]
    assert is_correct(example, f" {example.answer}\n")
    assert not is_correct(example, f"{example.answer}0")
