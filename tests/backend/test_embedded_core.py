"""Do scheduling, cache reuse and cancelling ever change what a request gets?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nemotron_backend.embedded import sequence as answering
from nemotron_backend.embedded.cache_memory import bytes_of, common_length
from nemotron_backend.embedded.core import Core
from nemotron_backend.embedded.messages import Emitted, Refused, Submit
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.network import Batch, Network
from nemotron_backend.request import Delta, Sampling, Stopping, Variant

_VOCABULARY = Vocabulary(
    pieces=tuple(bytes([97 + token_id % 26]) for token_id in range(32)),
    special=frozenset(),
    ends=frozenset({0}),
)
_BYTES_PER_TOKEN = 10
_BF16 = Variant(model="fake", size="full", precision="bf16", decode="autoregressive")
_FP8 = replace(_BF16, precision="fp8")
_SAMPLING = Sampling(
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=0,
)


@dataclass
class TokenCache:
    """Remembers the tokens themselves, and grows by half, as the real one does."""

    capacity: int
    tokens: list[int] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        return self.capacity * _BYTES_PER_TOKEN

    def reusable_length(self, length: int) -> int:
        return min(length, len(self.tokens))

    def truncate(self, length: int) -> None:
        assert length <= len(self.tokens)
        del self.tokens[length:]

    def copy(self, length: int) -> "TokenCache":
        assert length <= len(self.tokens)
        return TokenCache(length, self.tokens[:length])

    def extend(self, tokens: list[int]) -> None:
        self.tokens += tokens
        if len(self.tokens) > self.capacity:
            self.capacity = max(len(self.tokens), self.capacity * 3 // 2)


class HashNetwork(Network):
    """Its logits depend on every token in the cache and on their order, so that a wrong cache shows."""

    vocab_size = 32
    cache_bytes_per_token = _BYTES_PER_TOKEN
    num_bytes = 1

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self.batch_sizes: list[int] = []

    def make_cache(self, capacity: int) -> Sequence[TokenCache]:
        return [TokenCache(capacity)]

    def forward(self, batch: Batch) -> Tensor:
        logits: dict[int, Tensor] = {}
        for segment in batch.segments:
            (cache,) = segment.cache
            assert isinstance(cache, TokenCache)
            assert len(cache.tokens) == segment.position
            rows = range(segment.start, segment.start + segment.length)
            for row in rows:
                assert int(batch.positions[row]) == len(cache.tokens)
                cache.extend([int(batch.token_ids[row])])
                logits[row] = self._logits(cache.tokens)
        self.batch_sizes.append(len(batch.segments))
        chosen = [logits[row] for row in batch.logit_rows.tolist()]
        return torch.stack(chosen) if chosen else torch.empty(0, self.vocab_size)

    def _logits(self, tokens: Sequence[int]) -> Tensor:
        generator = random.Random(f"{self._salt} {tokens}")
        return torch.tensor([generator.gauss(0, 2) for _ in range(self.vocab_size)])


class FakeNetworks:
    """A network for each precision; `missing` ones are still being made."""

    resident: tuple[ResidentModel, ...] = ()

    def __init__(self) -> None:
        self.networks: dict[str, HashNetwork] = {"bf16": HashNetwork("a"), "fp8": HashNetwork("b")}
        self.missing: set[str] = set()
        self.failures: dict[str, str] = {}

    def find(self, variant: Variant) -> Network | None:
        return None if variant.precision in self.missing else self.networks[variant.precision]

    def failure(self, variant: Variant) -> str | None:
        return self.failures.get(variant.precision)


class Driver:
    """A core with a clock that ticks, and all that its requests got."""

    def __init__(self, **changes: object) -> None:
        options = EmbeddedOptions(cache_limit_bytes=3000, prefill_chunk=8, max_running=4)
        options = replace(options, **changes)  # type: ignore[arg-type]
        self.networks = FakeNetworks()
        ticks = count()
        self.core = Core(
            options, self.networks, {"fake": _VOCABULARY, "other": _VOCABULARY}, lambda: float(next(ticks))
        )
        self.deltas: dict[int, list[Delta]] = {}
        self.refused: dict[int, Refused] = {}

    def step(self) -> list[int]:
        """One step; gives the requests that got something."""
        touched = []
        for event in self.core.step():
            match event:
                case Emitted(deltas=deltas):
                    for request_id, delta in deltas:
                        self.deltas.setdefault(request_id, []).append(delta)
                        touched.append(request_id)
                case Refused():
                    self.refused[event.id] = event
        assert self.core.memory.used_bytes <= self.core.memory.limit_bytes
        for sequence in self.core.scheduler.running:
            assert bytes_of(sequence.cache) <= sequence.reserved_bytes
        return touched

    def finish(self) -> None:
        """Step until nothing is left to do."""
        while not self.core.is_idle:
            self.step()

    def run(self, *submits: Submit) -> None:
        for submit in submits:
            assert self.core.submit(submit) is None
        self.finish()

    def ids(self, request_id: int, index: int = 0) -> list[int]:
        deltas = self.deltas.get(request_id, [])
        return [token.id for delta in deltas if delta.index == index for token in delta.tokens]


def _submit(request_id: int, token_ids: Sequence[int], **changes: object) -> Submit:
    fields: dict[str, object] = {
        "id": request_id,
        "variant": _BF16,
        "token_ids": tuple(token_ids),
        "sampling": replace(_SAMPLING, seed=request_id),
        "stopping": Stopping(max_tokens=10, strings=(), token_ids=(), ignore_eos=True),
        "num_choices": 1,
        "num_top_logprobs": None,
        "trace": False,
        "arrived": 0.0,
    }
    return Submit(**(fields | changes))  # type: ignore[arg-type]


def _stopping(max_tokens: int) -> Stopping:
    return Stopping(max_tokens=max_tokens, strings=(), token_ids=(), ignore_eos=False)


_requests = st.builds(
    lambda base, length, tail, precision, temperature, max_tokens, choices: {
        # Prompts share beginnings, so that caches are reused at every length.
        "token_ids": tuple([base] * length + tail),
        "variant": replace(_BF16, precision=precision),
        "sampling": replace(_SAMPLING, temperature=temperature),
        "stopping": _stopping(max_tokens),
        "num_choices": choices,
    },
    base=st.integers(1, 2),
    length=st.integers(1, 30),
    tail=st.lists(st.integers(1, 31), max_size=4),
    precision=st.sampled_from(["bf16", "fp8"]),
    temperature=st.sampled_from([0.0, 1.0]),
    max_tokens=st.integers(1, 20),
    choices=st.integers(1, 3),
)
_happenings = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), _requests),
        st.tuples(st.just("abort"), st.integers(0, 20)),
        st.tuples(st.just("steps"), st.integers(1, 6)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(_happenings, st.integers(600, 3000), st.integers(1, 12))
def test_arrivals_and_cancels_never_change_tokens_nor_leak_memory(
    happenings: list[tuple[str, object]], limit: int, chunk: int
) -> None:
    driver = Driver(cache_limit_bytes=limit, prefill_chunk=chunk)
    submits: list[Submit] = []
    aborted: set[int] = set()
    for kind, value in happenings:
        if kind == "submit":
            submit = _submit(len(submits), **value)  # type: ignore[arg-type]
            submits.append(submit)
            assert driver.core.submit(submit) is None
        elif kind == "abort" and value in range(len(submits)):
            aborted.add(value)  # type: ignore[arg-type]
            driver.core.abort(value)  # type: ignore[arg-type]
        elif kind == "steps":
            for _ in range(value):  # type: ignore[call-overload]
                driver.step()
    driver.finish()
    for submit in submits:
        _check_answers(driver, submit, was_aborted=submit.id in aborted)
    _check_memory(driver)


def _check_answers(driver: Driver, submit: Submit, *, was_aborted: bool) -> None:
    alone = Driver(cache_limit_bytes=10**6)
    alone.run(submit)
    for index in range(submit.num_choices):
        expected, got = alone.ids(submit.id, index), driver.ids(submit.id, index)
        assert got == (expected[: len(got)] if was_aborted else expected)


def _check_memory(driver: Driver) -> None:
    """Only kept prefixes are left, each of them exact, and all of them can be dropped."""
    memory = driver.core.memory
    assert driver.core.gauges.num_running == driver.core.gauges.num_waiting == 0
    assert memory.used_bytes == sum(prefix.num_bytes for prefix in memory.prefixes)
    for prefix in memory.prefixes:
        (cache,) = prefix.cache
        assert isinstance(cache, TokenCache)
        assert cache.tokens == list(prefix.token_ids)
    assert memory.reserve(memory.limit_bytes)
    assert memory.used_bytes == memory.limit_bytes


def test_a_long_prompt_does_not_hold_up_a_running_answer() -> None:
    driver = Driver(cache_limit_bytes=10**6)
    driver.core.submit(_submit(1, [5, 6]))
    driver.step()
    driver.core.submit(_submit(2, range(1, 31)))
    for _ in range(3):
        assert driver.step() == [1]


def test_a_short_prompt_does_not_wait_for_a_long_one() -> None:
    driver = Driver(cache_limit_bytes=10**6)
    driver.core.submit(_submit(1, [7] * 200))
    driver.step()
    driver.core.submit(_submit(2, [9, 9, 9]))
    assert driver.step() == [2]


def test_variants_of_all_models_take_turns() -> None:
    driver = Driver()
    driver.core.submit(_submit(1, [5]))
    driver.core.submit(_submit(2, [5], variant=_FP8))
    driver.core.submit(_submit(3, [5], variant=replace(_BF16, model="other")))
    driver.core.submit(_submit(4, [5], variant=replace(_BF16, size="small")))
    assert [driver.step() for _ in range(8)] == 2 * [[1], [2], [3], [4]]


def test_a_request_joins_a_running_batch() -> None:
    driver = Driver()
    driver.core.submit(_submit(1, [5]))
    driver.step()
    driver.core.submit(_submit(2, [6]))
    driver.step()
    assert driver.networks.networks["bf16"].batch_sizes == [1, 2]


def test_an_abort_frees_memory_before_the_next_step() -> None:
    driver = Driver()
    driver.core.submit(_submit(1, [5] * 4))
    driver.step()
    driver.core.abort(1)
    assert driver.core.gauges.num_running == 0
    assert driver.core.memory.used_bytes == 0
    assert driver.step() == []


def test_a_chat_turn_reuses_the_turn_before() -> None:
    driver = Driver()
    driver.run(_submit(1, range(1, 21)))
    turn = [*range(1, 21), *driver.ids(1), 3, 4]
    driver.run(_submit(2, turn))
    usage = driver.deltas[2][-1].usage
    assert usage is not None
    # The last token of an answer was never put through the network.
    assert usage.cached_tokens == 29


def test_nothing_is_reused_where_it_is_not_wanted() -> None:
    driver = Driver(keeps_prefixes=False)
    for request_id in (1, 2):
        driver.run(_submit(request_id, range(1, 21)))
    usage = driver.deltas[2][-1].usage
    assert usage is not None
    assert usage.cached_tokens == 0
    assert driver.core.memory.used_bytes == 0


def test_the_other_choices_reuse_the_first_ones_prompt() -> None:
    driver = Driver(cache_limit_bytes=10**6)
    driver.run(_submit(1, range(1, 21), num_choices=3))
    usages = [delta.usage for delta in driver.deltas[1] if delta.usage is not None]
    assert sorted(usage.cached_tokens for usage in usages) == [0, 19, 19]


def test_a_prefix_is_never_shared_between_variants() -> None:
    driver = Driver()
    driver.run(_submit(1, range(1, 21)))
    driver.run(_submit(2, range(1, 21), variant=_FP8))
    usage = driver.deltas[2][-1].usage
    assert usage is not None
    assert usage.cached_tokens == 0


def test_requests_wait_for_memory_in_the_order_they_came() -> None:
    driver = Driver(cache_limit_bytes=600)
    for request_id in (1, 2, 3):
        driver.core.submit(_submit(request_id, [request_id] * 30, stopping=_stopping(15)))
    driver.step()
    assert (driver.core.gauges.num_running, driver.core.gauges.num_waiting) == (1, 2)
    driver.finish()
    assert list(driver.deltas) == [1, 2, 3]


def test_small_requests_do_not_overtake_one_that_waits_for_memory() -> None:
    driver = Driver(cache_limit_bytes=600)
    driver.core.submit(_submit(1, [1] * 20, stopping=_stopping(20)))
    driver.core.submit(_submit(2, [2] * 30, stopping=_stopping(20)))
    driver.core.submit(_submit(3, [3] * 2, stopping=_stopping(2)))
    driver.step()
    assert [sequence.request_id for sequence in driver.core.scheduler.waiting] == [2, 3]


def test_what_a_copied_cache_may_grow_to_is_reserved() -> None:
    driver = Driver(cache_limit_bytes=10**6)
    stopping = Stopping(max_tokens=15, strings=(), token_ids=(), ignore_eos=True)
    driver.run(_submit(1, range(1, 21), num_choices=2, stopping=stopping))
    assert len(driver.ids(1, 1)) == 15


@given(st.lists(st.integers(0, 2), max_size=9), st.lists(st.integers(0, 2), max_size=9), st.integers(0, 9))
def test_a_common_beginning_ends_at_the_first_difference(
    left: list[int], right: list[int], shared: int
) -> None:
    right = left[:shared] + right
    differences = (place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1])
    assert common_length(left, right) == next(differences, min(len(left), len(right)))


def test_a_request_that_can_never_fit_is_refused() -> None:
    driver = Driver(cache_limit_bytes=600)
    driver.run(_submit(1, [5] * 30, stopping=_stopping(31)))
    assert driver.refused[1].kind == "invalid"
    assert driver.refused[1].field == "max_tokens"


def test_a_full_line_is_refused_with_a_time_to_wait() -> None:
    driver = Driver(max_running=1, max_waiting=1)
    assert driver.core.submit(_submit(1, [5])) is None
    assert driver.core.submit(_submit(2, [5])) is None
    refused = driver.core.submit(_submit(3, [5]))
    assert refused is not None
    assert refused.kind == "busy"
    assert refused.retry_after >= 1
    driver.finish()
    assert set(driver.deltas) == {1, 2}


def test_a_network_in_the_making_holds_up_its_own_requests_only() -> None:
    driver = Driver()
    driver.networks.missing = {"fp8"}
    driver.run(_submit(1, [5], variant=_FP8), _submit(2, [5]))
    assert set(driver.deltas) == {2}
    driver.networks.missing = set()
    driver.finish()
    assert set(driver.deltas) == {1, 2}


def test_a_network_that_cannot_be_made_fails_its_requests() -> None:
    driver = Driver()
    driver.networks.missing, driver.networks.failures = {"fp8"}, {"fp8": "a weight is missing"}
    driver.run(_submit(1, [5], variant=_FP8))
    driver.step()
    assert (driver.refused[1].kind, driver.refused[1].reason) == ("failed", "a weight is missing")


@pytest.mark.parametrize("ignore_eos", [False, True])
def test_an_end_token_ends_the_answer_unless_it_is_ignored(ignore_eos: bool) -> None:
    stopping = Stopping(max_tokens=4, strings=(), token_ids=(), ignore_eos=ignore_eos)
    sampling = replace(_SAMPLING, temperature=0.0, logit_bias=((0, 1000.0),))
    driver = Driver()
    driver.run(_submit(1, [5], sampling=sampling, stopping=stopping))
    last = driver.deltas[1][-1]
    assert last.usage is not None
    assert (last.finish, last.usage.completion_tokens) == (("length", 4) if ignore_eos else ("stop", 1))
    assert driver.ids(1) == ([0] * 4 if ignore_eos else [])


def test_a_mark_that_spells_a_stop_string_ends_the_answer() -> None:
    vocabulary = replace(_VOCABULARY, pieces=(*_VOCABULARY.pieces, b"<mark>"), special=frozenset({32}))
    stopping = Stopping(max_tokens=4, strings=("<mark>",), token_ids=(), ignore_eos=False)
    assert answering.Sequence(_submit(1, [5], stopping=stopping), 0, vocabulary).ends(32)
    assert not answering.Sequence(_submit(1, [5], stopping=_stopping(4)), 0, vocabulary).ends(32)


def test_a_stop_id_ends_the_answer_and_is_not_shown() -> None:
    driver = Driver()
    driver.run(_submit(1, [5]))
    first = driver.ids(1)
    stopping = Stopping(max_tokens=10, strings=(), token_ids=(first[3],), ignore_eos=True)
    driver.run(_submit(2, [5], stopping=stopping, sampling=replace(_SAMPLING, seed=1)))
    assert driver.ids(2) == first[: first.index(first[3])]
    assert driver.deltas[2][-1].finish == "stop"
