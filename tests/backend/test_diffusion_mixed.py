"""Do decode modes that share a server leave each other's answers and memory alone?"""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemotron_backend.embedded.cache_memory import bytes_of
from nemotron_backend.embedded.loading import StartError, load
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.request import DECODES, GREEDY, Decoding, Stopping

_requests = st.fixed_dictionaries(
    {
        "prompt": st.builds(
            # Prompts share beginnings, so that caches are reused at every length.
            lambda base, length, tail: [base] * length + tail,
            base=st.integers(6, 7),
            length=st.integers(1, 30),
            tail=st.lists(st.integers(6, 23), max_size=3),
        ),
        "decode": st.sampled_from(DECODES),
        "temperature": st.sampled_from([0.0, 0.9]),
        "max_tokens": st.integers(1, 20),
        "block_length": st.sampled_from([0, 2, 4, 16]),
        "strings": st.sampled_from([(), ("gh", "kk"), ("q",)]),
        "num_choices": st.integers(1, 2),
        "drafting": st.sampled_from(["linear", "quadratic"]),
        "acceptance": st.sampled_from(["match", "rejection"]),
        "canvas": st.booleans(),
    }
)
_happenings = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), _requests),
        st.tuples(st.just("abort"), st.integers(0, 9)),
        st.tuples(st.just("steps"), st.integers(1, 5)),
    ),
    max_size=14,
)


def _submit(core: Any, number: int, asked: dict[str, Any]) -> None:
    core.submit(
        number,
        asked["prompt"],
        asked["decode"],
        sampling=replace(GREEDY, temperature=asked["temperature"], seed=number),
        stopping=Stopping(
            max_tokens=asked["max_tokens"], strings=asked["strings"], token_ids=(), ignore_eos=False
        ),
        decoding=Decoding(
            block_length=asked["block_length"],
            threshold=0.5 if asked["acceptance"] == "match" else 0.0,
            drafting=asked["drafting"],
            acceptance=asked["acceptance"],
        ),
        canvas=asked["canvas"],
        num_choices=asked["num_choices"],
    )


@settings(deadline=None, max_examples=40)
@given(happenings=_happenings, blocks=st.integers(3, 12), chunk=st.integers(1, 12))
def test_no_order_of_arrivals_cancels_and_modes_changes_tokens_or_leaks_memory(
    tri_mode: Any, make_core: Callable[..., Any], happenings: list[Any], blocks: int, chunk: int
) -> None:
    limit = blocks * 64 * tri_mode.network.cache_bytes_per_token
    core = make_core(tri_mode, cache_limit_bytes=limit, prefill_chunk=chunk, max_running=4)
    asked: list[dict[str, Any]] = []
    aborted: set[int] = set()
    for kind, value in happenings:
        if kind == "submit":
            _submit(core, len(asked), value)
            asked.append(value)
        elif kind == "abort" and value < len(asked):
            aborted.add(value)
            core.core.abort(value)
        elif kind == "steps":
            for _ in range(value):
                core.step()
                _check_reserved(core)
    core.finish()
    assert not core.refused
    _check_answers(core, make_core(tri_mode), asked, aborted)
    _check_memory(core)


def _check_reserved(core: Any) -> None:
    assert core.core.memory.used_bytes <= core.core.memory.limit_bytes
    for sequence in core.core.scheduler.running:
        assert bytes_of(sequence.cache) <= sequence.reserved_bytes


def _check_answers(core: Any, alone: Any, asked: list[dict[str, Any]], aborted: set[int]) -> None:
    for number, request in enumerate(asked):
        _submit(alone, number, request)
        alone.finish()
        for index in range(request["num_choices"]):
            run = core.runs.get((number, index))
            found, wanted = run.ids if run else [], alone.runs[number, index].ids
            assert found == (wanted[: len(found)] if number in aborted else wanted)


def _check_memory(core: Any) -> None:
    """Only prefixes are left, and each holds as many tokens as it says."""
    memory = core.core.memory
    assert core.core.gauges.num_running == core.core.gauges.num_waiting == 0
    assert memory.used_bytes == sum(prefix.num_bytes for prefix in memory.prefixes)
    for prefix in memory.prefixes:
        assert all(layer.length == len(prefix.token_ids) for layer in prefix.cache)


def test_modes_take_turns(mode_core: Callable[..., Any]) -> None:
    core = mode_core()
    for number, decode in enumerate(DECODES):
        core.submit(number, [7, 8], decode, decoding=Decoding(block_length=4, threshold=1.0))
    turns = []
    for _ in range(9):
        before = {key: len(run.trace) for key, run in core.runs.items()}
        core.step()
        turns.append(next(key[0] for key, run in core.runs.items() if len(run.trace) > before.get(key, 0)))
    assert turns == [0, 1, 2] * 3


@pytest.mark.parametrize("decode", DECODES)
@pytest.mark.parametrize("before", DECODES)
def test_a_prompt_that_one_mode_has_read_is_known_to_all(
    mode_core: Callable[..., Any], before: Any, decode: Any
) -> None:
    core, prompt = mode_core(), [*range(6, 24), *range(6, 24)]
    core.answer(prompt, before)
    run = core.answer(prompt, decode)
    assert run.usage.cached_tokens == len(prompt) - 1
    assert run.ids == mode_core().answer(prompt, decode).ids


@pytest.mark.parametrize("decode", DECODES)
def test_choices_of_one_request_have_seeds_of_their_own(mode_core: Callable[..., Any], decode: Any) -> None:
    warm = replace(GREEDY, temperature=1.0, seed=5)
    core, prompt = mode_core(), [random.Random(1).randrange(6, 24) for _ in range(20)]
    core.submit(1, prompt, decode, sampling=warm, num_choices=3)
    core.finish()
    for index in range(3):
        single = mode_core().answer(prompt, decode, sampling=replace(warm, seed=5 + index))
        assert core.runs[1, index].ids == single.ids


def _silent(step: str, fraction: float | None) -> None:
    """No one watches."""


def test_a_checkpoint_without_masks_is_not_served_in_modes_that_need_them(tiny_checkpoint: Path) -> None:
    model = ModelOptions(checkpoint=str(tiny_checkpoint), decodes=DECODES)
    assert load(model, EmbeddedOptions(), _silent).offer.decodes == ("autoregressive",)
    with pytest.raises(StartError, match=r"config\.json: the checkpoint has the decode modes autoregressive"):
        load(replace(model, decodes=("diffusion",)), EmbeddedOptions(), _silent)
