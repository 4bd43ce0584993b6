"""Does the reward recipe teach what is served?"""

from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from nemotron_backend.recipes import tokenizer
from nemotron_backend.recipes.dialogue import corpus
from nemotron_backend.recipes.optimiser import Optimiser
from nemotron_backend.recipes.reward.candidates import Candidate, candidates
from nemotron_backend.recipes.reward.flaws import FLAWS, Flaw, spoil
from nemotron_backend.recipes.reward.judge import Judge
from nemotron_backend.recipes.reward.lesson import Script, lesson
from nemotron_backend.recipes.reward.measure import Pair, accuracy, pairs, table
from nemotron_backend.recipes.reward.network import create
from nemotron_backend.recipes.reward.rubric import FRAMES, points_of
from nemotron_backend.recipes.reward.train import move, save
from nemotron_backend.recipes.tasks import Example, training

TINY: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
}
SUM = Example(task="arithmetic", level=1, question="What is 41 + 7?", steps="1 + 7 = 8", answer="48")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small tokenizer of the suite."""
    out = tmp_path_factory.mktemp("reward")
    tokenizer.save(tokenizer.train(corpus(5, 200), TINY["vocab_size"]), out)
    return out


@pytest.fixture(scope="module")
def script(folder: Path) -> Script:
    return Script(Tokenizer.from_file(str(folder / "tokenizer.json")))


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_spoilt_answer_is_wrong_and_only_that(flaw: Flaw) -> None:
    rng = Random(1)
    for example in islice(training(2, (1,)), 50):
        text = spoil(rng, example, flaw)
        if text is not None:
            assert (text == example.answer) == (flaw == "none")
            assert text.strip()


def test_points_fall_with_the_flaw_and_stay_on_the_scale() -> None:
    for frame in FRAMES:
        right = points_of("none", frame)
        for flaw in FLAWS:
            points = points_of(flaw, frame)
            assert all(0 <= value <= 4 for value in astuple(points))
            if flaw != "none":
                assert points.helpfulness < right.helpfulness
                assert points.correctness < right.correctness


def test_the_right_answer_is_always_among_those_learned() -> None:
    rng = Random(3)
    for example in islice(training(4, (1,)), 30):
        made = tuple(candidates(rng, example))
        assert made[0] == Candidate(text=example.answer, flaw="none", frame="bare")
        assert len(made) >= 2


def test_answers_side_by_side_score_as_each_alone(script: Script, folder: Path, tmp_path: Path) -> None:
    """The row that shares a question among answers is a way to save time, and no other network."""
    torch.manual_seed(7)
    model = create(**TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter).mul_(0.1).bfloat16())
    texts = ("48", "49", "I do not know.")
    made = tuple(Candidate(text=text, flaw="none", frame="bare") for text in texts)
    batch = lesson(
        [script.exchange(SUM, made), script.exchange(replace(SUM, question="Why?"), made[:1])], script
    )
    with torch.inference_mode():
        hidden = model.model(
            batch.token_ids, attention_mask=batch.mask, position_ids=batch.positions
        ).last_hidden_state.flatten(0, 1)
        learned = model.score(hidden[batch.ends])[: len(texts), -5:]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    save(tmp_path, model)
    served = [list(scores.values()) for scores in Judge(tmp_path).scores(SUM, texts)]
    torch.testing.assert_close(torch.tensor(served), learned, rtol=1e-3, atol=1e-3)


def test_learning_lowers_both_errors(script: Script) -> None:
    torch.manual_seed(8)
    model = create(**TINY)
    optimiser = Optimiser(model, rate=1e-2, num_steps=200)
    exchanges = list(islice(script.exchanges(training(9, (1,)), 10), 8))
    batch = lesson(exchanges, script)
    first, *_, last = (_moved(model, optimiser, batch, step) for step in range(30))
    assert last[0] < first[0] / 2
    assert last[1] < first[1]


def _moved(model: Any, optimiser: Optimiser, batch: Any, step: int) -> tuple[float, float]:
    losses = move(model, batch)
    optimiser.step(step)
    return losses


def test_pairs_are_counted_by_task_and_flaw() -> None:
    found = [
        Pair(task="dates", flaw="slip", lead=1.0, errors={}),
        Pair(task="dates", flaw="slip", lead=-1.0, errors={}),
        Pair(task="sorting", flaw="cut", lead=2.0, errors={}),
    ]
    assert accuracy(found) == pytest.approx(2 / 3)
    rows = table(found).splitlines()
    assert rows[2] == "| dates | 50.0 |  |  |  |  |  | 50.0 |"
    assert rows[-1].endswith("| 66.7 |")


class _Oracle(Judge):
    """Gives full points to nothing but right answers."""

    def __init__(self) -> None:
        pass

    def scores(self, example: Example, answers: Any) -> Any:
        flaw = {True: "none", False: "refusal"}
        return [self._points(flaw[answer == example.answer]) for answer in answers]

    def _points(self, flaw: Any) -> dict[str, float]:
        points = points_of(flaw, "bare")
        return {name: getattr(points, name) for name in type(points).__dataclass_fields__}


def test_who_knows_the_right_answers_wins_every_pair() -> None:
    assert accuracy(list(pairs(_Oracle(), 20, 0))) == 1.0
