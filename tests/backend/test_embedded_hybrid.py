"""Do sizes of a hybrid share an engine, and what they computed, without a trace in each other's answers?"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.embedded.cache_memory import bytes_of
from nemotron_backend.embedded.core import Core
from nemotron_backend.embedded.messages import Refused, Submit
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.network import Network
from nemotron_backend.request import (
    GREEDY,
    PRECISIONS,
    Handover,
    Precision,
    Stopping,
    Usage,
    Variant,
)

# `narrow` keeps the Mamba heads of the whole, so the two have states of one shape; `slim` does not.
SIZES: dict[str, dict[str, int]] = {
    "large": {},
    "narrow": {"hidden_size": 48, "n_routed_experts": 4},
    "slim": {"hidden_size": 48, "mamba_num_heads": 6, "moe_intermediate_size": 16},
}
_SHAPE: dict[str, Any] = {"hidden_size": 64, "hybrid_override_pattern": "ME*M-E", "elastic_sizes": SIZES}
_END = 3
_VOCABULARY = Vocabulary(
    pieces=tuple(bytes([97 + token_id % 26]) for token_id in range(101)),
    special=frozenset({_END}),
    ends=frozenset({_END}),
)


@pytest.fixture
def checkpoint(save_hybrid: Callable[..., Path]) -> NemotronHCheckpoint:
    return NemotronHCheckpoint.open(save_hybrid(**_SHAPE))


class _Networks:
    """Every network of one checkpoint, made at once."""

    resident: tuple[ResidentModel, ...] = ()

    def __init__(self, checkpoint: NemotronHCheckpoint, layout: Layout) -> None:
        self.made = {
            (size, precision): checkpoint.network(size, precision, layout)
            for size in checkpoint.sizes
            for precision in checkpoint.precisions
        }

    def find(self, variant: Variant) -> Network | None:
        return self.made[variant.size, variant.precision]

    def failure(self, variant: Variant) -> str | None:
        return None


@dataclass(frozen=True)
class Question:
    """What is asked of which network."""

    prompt: tuple[int, ...]
    size: str = "large"
    precision: Precision = "bf16"
    max_tokens: int = 12
    num_choices: int = 1
    handover: Handover = "prefill"


class Bench:
    """A core over the networks, and what its requests got."""

    def __init__(self, networks: _Networks, **changes: Any) -> None:
        ticks = count()
        options = replace(EmbeddedOptions(prefill_chunk=16), **changes)
        self.core = Core(options, networks, {"hybrid": _VOCABULARY}, lambda: float(next(ticks)))
        self.networks = networks
        self.ids: dict[int, list[int]] = {}
        self.usages: dict[int, list[Usage]] = {}
        self.refused: dict[int, Refused] = {}

    def submit(self, number: int, asked: Question) -> None:
        submit = Submit(
            id=number,
            variant=Variant(
                model="hybrid", size=asked.size, precision=asked.precision, decode="autoregressive"
            ),
            token_ids=asked.prompt,
            sampling=GREEDY,
            stopping=Stopping(max_tokens=asked.max_tokens, strings=(), token_ids=(), ignore_eos=True),
            num_choices=asked.num_choices,
            num_top_logprobs=None,
            trace=False,
            arrived=0.0,
            handover=asked.handover,
        )
        assert self.core.submit(submit) is None

    def step(self) -> None:
        for event in self.core.step():
            if isinstance(event, Refused):
                self.refused[event.id] = event
                continue
            for number, delta in event.deltas:
                self.ids.setdefault(number, []).extend(token.id for token in delta.tokens)
                self.usages.setdefault(number, []).extend([delta.usage] if delta.usage else [])
        assert self.core.memory.used_bytes <= self.core.memory.limit_bytes
        for sequence in self.core.scheduler.running:
            assert bytes_of(sequence.cache) <= sequence.reserved_bytes

    def finish(self) -> None:
        while not self.core.is_idle:
            self.step()

    def answer(self, asked: Question) -> list[int]:
        """One request after all others; gives its tokens and leaves its usage in `cached`."""
        self.submit(-1, asked)
        self.finish()
        self.cached = [usage.cached_tokens for usage in self.usages.pop(-1, ())]
        return self.ids.pop(-1, [])


@pytest.fixture(params=["views", "packed"])
def networks(request: pytest.FixtureRequest, checkpoint: NemotronHCheckpoint) -> _Networks:
    return _Networks(checkpoint, request.param)


def _prompt(seed: int, length: int = 30) -> tuple[int, ...]:
    generator = random.Random(seed)
    return tuple(generator.randrange(4, 101) for _ in range(length))


def _questions() -> Iterator[Question]:
    for seed, size in enumerate(SIZES):
        for precision in PRECISIONS:
            yield Question(_prompt(seed, 10 + 11 * seed), size, precision)


def test_sizes_and_precisions_mix_in_one_engine_as_if_each_were_alone(networks: _Networks) -> None:
    questions = [*_questions(), *_questions()]
    mixed = Bench(networks, keeps_prefixes=False)
    for number, question in enumerate(questions):
        mixed.submit(number, question)
        mixed.step()
    mixed.finish()
    for number, question in enumerate(questions):
        alone = Bench(networks, keeps_prefixes=False)
        assert mixed.ids[number] == alone.answer(question)
    # The networks differ, so that one in another's place would have been seen.
    assert len({tuple(Bench(networks).answer(replace(q, prompt=_prompt(9)))) for q in _questions()}) > 6


def test_an_abort_gives_the_memory_back_and_leaves_the_others_alone(networks: _Networks) -> None:
    bench = Bench(networks, keeps_prefixes=False)
    kept, gone = Question(_prompt(1)), Question(_prompt(2), "slim")
    bench.submit(1, kept)
    bench.submit(2, gone)
    for _ in range(7):
        bench.step()
    bench.core.abort(2)
    bench.finish()
    assert bench.core.memory.used_bytes == 0
    assert bench.ids[1] == Bench(networks).answer(kept)


def test_a_next_turn_goes_on_from_the_state_after_the_last(networks: _Networks) -> None:
    bench, first = Bench(networks), _prompt(1)
    said = bench.answer(Question(first))
    turn = Question((*first, *said, *_prompt(2, 9)))
    answer = bench.answer(turn)
    # The last token of an answer was never put through the network.
    assert bench.cached == [len(first) + len(said) - 1]
    assert answer == Bench(networks).answer(turn)


def test_a_turn_that_tells_the_answer_otherwise_goes_on_from_the_turn_before(networks: _Networks) -> None:
    bench, asked = Bench(networks), (*_prompt(1, 20), _END)
    header, thoughts = (7, 8, 9), (1, 2)
    bench.answer(Question((*asked, *header, *thoughts)))
    turn = Question((*asked, *header, *_prompt(2, 9)))
    answer = bench.answer(turn)
    assert bench.cached == [len(asked)]
    assert answer == Bench(networks).answer(turn)


def test_another_answer_to_a_prompt_goes_on_from_its_end(networks: _Networks) -> None:
    bench, asked = Bench(networks), Question(_prompt(1), num_choices=3)
    bench.answer(asked)
    assert sorted(bench.cached) == [0, 29, 29]
    again = Bench(networks).answer(replace(asked, num_choices=1))
    assert bench.answer(replace(asked, num_choices=1)) == again
    assert bench.cached == [29]


def test_a_long_conversation_keeps_few_states(networks: _Networks) -> None:
    bench, said = Bench(networks), list(_prompt(1, 12))
    for turn in range(6):
        answer = bench.answer(Question(tuple(said)))
        said += [*answer, _END, *_prompt(turn, 4)]
    network = networks.find(Variant.parse("hybrid:large:bf16:autoregressive"))
    assert network is not None
    (prefix,) = bench.core.memory.prefixes
    states = prefix.num_bytes - 256 * network.cache_bytes_per_token
    assert states <= 3 * network.cache_bytes_per_sequence


def test_what_does_not_fit_for_its_states_is_refused(networks: _Networks) -> None:
    network = networks.made["large", "bf16"]
    asked = Question(_prompt(1, 4), max_tokens=4)
    room = 8 * network.cache_bytes_per_token + 3 * network.cache_bytes_per_sequence
    bench = Bench(networks, cache_limit_bytes=room)
    assert len(bench.answer(asked)) == 4
    bench = Bench(networks, cache_limit_bytes=room - 1)
    assert bench.answer(asked) == []
    assert (bench.refused[-1].kind, bench.refused[-1].field) == ("invalid", "max_tokens")


def test_states_are_handed_over_only_to_those_who_ask(networks: _Networks) -> None:
    bench, thought = Bench(networks), _prompt(1, 20)
    said = bench.answer(Question(thought, "large"))
    answering = Question((*thought, *said, 5, 6), "narrow")
    exact = Bench(networks).answer(answering)
    assert bench.answer(answering) == exact
    assert bench.cached == [0]
    bench = Bench(networks)
    bench.answer(Question(thought, "large"))
    bench.answer(replace(answering, handover="state"))
    assert bench.cached == [len(thought) + len(said) - 1]
    # What came of it is no exact beginning of anything.
    assert bench.answer(answering) == exact
    assert bench.cached == [0]


def test_states_stay_within_a_precision(networks: _Networks) -> None:
    bench, thought = Bench(networks), _prompt(1, 20)
    bench.answer(Question(thought, "large", "nvfp4"))
    bench.answer(Question((*thought, 5, 6), "narrow", "bf16", handover="state"))
    assert bench.cached == [0]


def test_states_of_another_shape_are_refused_by_name(networks: _Networks) -> None:
    bench, thought = Bench(networks), _prompt(1, 20)
    bench.answer(Question(thought, "large"))
    assert bench.answer(Question((*thought, 5, 6), "slim", handover="state")) == []
    refused = bench.refused[-1]
    assert (refused.kind, refused.field) == ("invalid", "nvext.handover")
    assert "slim" in refused.reason
    assert "large" in refused.reason
