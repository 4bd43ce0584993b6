"""Would the GPU check see a wrong op, and does it say so where nothing can be measured?"""

import math
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from nemotron_backend.catalog.dimensions import Attention, Dimensions, Experts, FeedForward, Mamba
from nemotron_backend.floors import Call
from nemotron_backend.gpu_check.__main__ import main
from nemotron_backend.gpu_check.agreement import error_of
from nemotron_backend.gpu_check.case import Case, Trial, each
from nemotron_backend.gpu_check.forced import forced
from nemotron_backend.gpu_check.measure import COLD_BYTES, Limits, is_cold, trials_for
from nemotron_backend.gpu_check.plan import block_cases, hybrid_cases
from nemotron_backend.gpu_check.row import Row, line
from nemotron_backend.gpu_check.tensors import Tensors

HYBRID = Dimensions(
    pattern="ME*",
    hidden=64,
    vocabulary=128,
    attention=Attention(query_heads=4, key_value_heads=2, head_dim=16),
    experts=Experts(routed=8, active=2, width=32, shared_width=48),
    mamba=Mamba(heads=4, head_dim=16, groups=2, state=16, convolution=4),
)
DENSE = Dimensions(
    pattern="*-",
    repeats=2,
    hidden=32,
    vocabulary=128,
    attention=Attention(query_heads=4, key_value_heads=2, head_dim=16),
    feed_forward=FeedForward(width=48, gated=True),
)
CALL = Call(op="rms_norm", name="", weights=3e6, kept=2e6, activations=1e6, operations=8e9)


def _cases() -> Iterator[Case]:
    yield from hybrid_cases([HYBRID, replace(HYBRID, hidden=32)], (1, 3), prompt=16)
    yield from block_cases(DENSE, (1, 3), block=4)


CASES = list(_cases())


def _case(trial: Trial, **changed: object) -> Case:
    case = Case(title="a case", precision="bf16", floor=CALL, trials=each(lambda _: trial))
    return replace(case, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.floor.op} {case.title} {case.precision}")
def test_every_case_runs_and_agrees_with_itself(case: Case) -> None:
    """On the processor, where both ways are the definition."""
    trials = case.trials(Tensors.on(torch.device("cpu")), 2)
    assert len(trials) == 2
    assert error_of(case, trials[0]) == 0
    assert case.floor.num_bytes > 0
    for peer in trials[1].peers.values():
        peer()


def test_every_op_of_the_kernels_that_computes_has_a_case() -> None:
    expected = {
        "block_attention", "causal_conv1d", "chunk_scan", "diffusion_sampler", "draft_verification",
        "elastic_linear", "expert_groups", "fp8", "gated_group_norm", "grouped_experts", "layers",
        "mamba_step", "nvfp4", "quantised_linear", "rms_norm", "router", "state_update",
    }  # fmt: skip
    assert {case.floor.op for case in CASES} == expected


def _wrong_by(factor: float) -> Trial:
    x = torch.ones(4)
    return Trial(run=lambda: x * (1 if os.environ.get("NEMOTRON_KERNELS") == "reference" else factor))


def test_a_wrong_result_is_seen() -> None:
    assert error_of(_case(_wrong_by(1.25)), _wrong_by(1.25)) == pytest.approx(0.25)
    assert error_of(_case(_wrong_by(math.nan)), _wrong_by(math.nan)) == math.inf


def test_one_wrong_element_counts_unless_means_are_compared() -> None:
    def run() -> torch.Tensor:
        result = torch.ones(100)
        result[3] += 0 if os.environ.get("NEMOTRON_KERNELS") == "reference" else 1
        return result

    trial = Trial(run=run)
    assert error_of(_case(trial), trial) == pytest.approx(1)
    assert error_of(_case(trial, compares_means=True), trial) == pytest.approx(0.1)


def test_wrong_memory_is_seen_and_both_ways_start_from_the_same() -> None:
    memory = torch.tensor([2.0])

    def run() -> torch.Tensor:
        memory.mul_(2 if os.environ.get("NEMOTRON_KERNELS") == "reference" else 3)
        return torch.ones(1)

    trial = Trial(run=run, changed=(memory,))
    assert error_of(_case(trial), trial) == pytest.approx(0.5)


def test_a_share_of_integers_is_wrong() -> None:
    def run() -> torch.Tensor:
        return torch.tensor([1, 2, 3, 4 if os.environ.get("NEMOTRON_KERNELS") == "reference" else 5])

    trial = Trial(run=run)
    assert error_of(_case(trial), trial) == 0.25


@pytest.mark.parametrize("before", [None, "cpu"])
def test_a_forced_choice_ends_with_its_block(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv("NEMOTRON_KERNELS", raising=False)
    if before:
        monkeypatch.setenv("NEMOTRON_KERNELS", before)
    with forced("reference"):
        assert os.environ["NEMOTRON_KERNELS"] == "reference"
    assert os.environ.get("NEMOTRON_KERNELS") == before


def test_the_slower_of_bytes_and_operations_is_the_floor() -> None:
    assert Limits(name="GPU", bandwidth=3e12, rate=800e12).floor(CALL) == pytest.approx(1e-5)
    assert Limits(name="GPU", bandwidth=0.3e12, rate=800e12).floor(CALL) == pytest.approx(2e-5)


def test_trials_together_are_larger_than_the_caches() -> None:
    for size in (5e6, 7e6, 199e6, 200e6, 5e9):
        call = replace(CALL, weights=size, kept=0, activations=0)
        assert (trials_for(call) - 1) * size < COLD_BYTES <= trials_for(call) * size
        assert is_cold(call)


def test_small_ops_say_that_caches_stay_warm() -> None:
    small = replace(CALL, weights=1e4, kept=0, activations=0)
    assert not is_cold(small)
    assert "caches in part warm" in line(
        Row(case=_case(_wrong_by(1)), floor=1e-6, seconds=2e-6, is_cold=False)
    )


def test_a_row_tells_the_share_of_the_floor_and_what_is_wrong() -> None:
    case = _case(_wrong_by(1), tolerance=0.01)
    row = Row(case=case, floor=8e-6, seconds=1e-5, error=0.02, peers={"cuBLAS": 1.2e-5})
    assert row.is_wrong
    assert "6.00      8.00      10.0       80%  2.0e-02  WRONG: error above 0.01; cuBLAS 12.0 us" in line(row)
    assert not replace(row, error=0.005).is_wrong


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_every_row_is_unmeasured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["state_update", "layers"]) == 0
    heading, columns, *rows, last = capsys.readouterr().out.splitlines()
    assert heading.startswith("No NVIDIA GPU here")
    assert "floor us" in columns
    assert len(rows) > 5
    assert all(row.endswith("unmeasured: no NVIDIA GPU") for row in rows)
    assert {row.split()[0] for row in rows} == {"state_update", "layers"}
    assert "4.22      1.41         -         -        -" in rows[0]
    assert last == f"0 of {len(rows)} measured, 0 failed"
