"""Can a hybrid sequence go back to where its state was kept, and nowhere else?"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.network import LayerCache, Segment
from nemotron_backend.model.state_cache import NoCache, State, StateCache, stops

TOKENS = torch.randint(101, (30,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.fixture
def network(save_hybrid: Any) -> NemotronH:
    return NemotronHCheckpoint.open(save_hybrid()).network("full", "bf16")


def reusable(cache: Sequence[LayerCache], length: int) -> int:
    return min(layer.reusable_length(length) for layer in cache)


def state(value: float) -> State:
    return State(taps=torch.full((3, 2), value), state=torch.full((1, 1, 2), value))


def segment(position: int, length: int, **marks: Any) -> Segment:
    return Segment(cache=(), start=0, length=length, position=position, **marks)


def test_a_turn_that_shares_a_prompt_continues_from_its_snapshot(network: NemotronH, run: Any) -> None:
    cache = network.make_cache(30)
    run(network, (TOKENS[:20], cache, 0), snapshots=(12,))
    run(network, ([5], cache, 20))
    assert [reusable(cache, length) for length in (11, 12, 19, 21, 30)] == [0, 12, 12, 21, 21]
    other = [7, 8, 9]
    (continued,) = run(network, (other, [layer.copy(12) for layer in cache], 12))
    (whole,) = run(network, (TOKENS[:12] + other, network.make_cache(30), 0))
    torch.testing.assert_close(continued, whole[12:], rtol=1e-4, atol=1e-4)


def test_a_copy_lives_on_its_own(network: NemotronH, run: Any) -> None:
    cache = network.make_cache(30)
    run(network, (TOKENS[:10], cache, 0))
    twin = [layer.copy(10) for layer in cache]
    run(network, ([1, 2, 3], cache, 10))
    (ours,) = run(network, (TOKENS[10:14], twin, 10))
    (whole,) = run(network, (TOKENS[:14], network.make_cache(30), 0))
    torch.testing.assert_close(ours, whole[10:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("accepted", [0, 1, 3, 5])
def test_drafted_tokens_can_be_taken_back(network: NemotronH, run: Any, accepted: int) -> None:
    cache = network.make_cache(30)
    run(network, (TOKENS[:10], cache, 0))
    (drafted,) = run(network, (TOKENS[10:15], cache, 10), is_revocable=True)
    for layer in cache:
        layer.truncate(10 + accepted)
    (after,) = run(network, ([3, 4], cache, 10 + accepted))
    (plain,) = run(network, (TOKENS[:15], network.make_cache(30), 0))
    (whole,) = run(network, ([*TOKENS[: 10 + accepted], 3, 4], network.make_cache(30), 0))
    torch.testing.assert_close(drafted, plain[10:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after, whole[10 + accepted :], rtol=1e-4, atol=1e-4)


def test_tokens_are_revocable_only_until_the_next_forward() -> None:
    cache = StateCache(state(0))
    cache.extend(segment(0, 2, is_revocable=True), [state(1), state(2)])
    assert cache.reusable_length(1) == 1
    cache.extend(segment(2, 1), [state(3)])
    assert cache.reusable_length(2) == 0
    with pytest.raises(ValueError, match=r"no state was kept after 2 tokens, only after \[0, 3\]"):
        cache.truncate(2)


def test_every_sequence_can_go_back_to_its_start() -> None:
    cache = StateCache(state(0))
    cache.extend(segment(0, 5), [state(5)])
    cache.truncate(0)
    assert cache.length == 0
    assert torch.equal(cache.current.state, state(0).state)


def test_memory_grows_with_the_snapshots_that_were_asked_for() -> None:
    cache = StateCache(state(0))
    one = cache.num_bytes
    cache.extend(segment(0, 4, snapshots=(2, 4, 9)), [state(2), state(4)])
    assert one == state(0).num_bytes
    assert cache.num_bytes == 2 * one
    cache.extend(segment(4, 1), [state(5)])
    assert cache.num_bytes == 3 * one
    cache.truncate(2)
    assert cache.num_bytes == one


def test_a_segment_stops_where_its_state_is_wanted() -> None:
    assert stops(segment(4, 3)) == [7]
    assert stops(segment(4, 3, snapshots=(2, 5, 7, 9))) == [5, 7]
    assert stops(segment(4, 3, is_revocable=True)) == [5, 6, 7]


def test_a_layer_without_memory_goes_anywhere() -> None:
    cache = NoCache()
    assert cache.reusable_length(17) == 17
    assert cache.copy(3).num_bytes == 0


def test_another_sequences_position_is_refused(network: NemotronH, run: Any) -> None:
    cache = network.make_cache(30)
    with pytest.raises(ValueError, match="holds 0 tokens, the segment starts at 4"):
        run(network, ([1], cache, 4))


def test_what_a_sequence_costs_is_what_its_caches_hold(network: NemotronH, run: Any) -> None:
    cache = network.make_cache(64)
    run(network, (TOKENS, cache, 0))
    held = sum(layer.num_bytes for layer in cache)
    assert held == network.cache_bytes_per_sequence + 64 * network.cache_bytes_per_token
