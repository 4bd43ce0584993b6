"""What do three sizes in three precisions hold in memory, beside one?"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hybrid_checkpoint import save_random_hybrid

from nemotron_backend.request import PRECISIONS

pytestmark = pytest.mark.benchmark

SIZES = ("large", "medium", "small")
LAYOUTS = ("views", "packed")


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that the networks count, and those that the process has more than before."""

    counted: int
    resident: int


Hold = Callable[[str, str, str], Held]


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Hold:
    """Open networks in a process of their own."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells what a process holds by itself")
    folder = save_random_hybrid(tmp_path_factory.mktemp("hybrid"))
    worker = Path(__file__).with_name("hybrid_memory_worker.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def run(layout: str, sizes: str, precisions: str) -> Held:
        command = [sys.executable, str(worker), str(folder), layout, sizes, precisions]
        done = subprocess.run(command, env=environment, check=True, capture_output=True)
        return Held(**json.loads(done.stdout))

    return run


def test_sizes_cost_nothing_as_views_and_their_own_bytes_as_copies(
    hold: Hold, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    all_sizes, all_precisions = ",".join(SIZES), ",".join(PRECISIONS)
    wanted = {
        "the largest size, bf16": ("large", "bf16"),
        "three sizes, bf16": (all_sizes, "bf16"),
        "the largest size, three precisions": ("large", all_precisions),
        "three sizes, three precisions": (all_sizes, all_precisions),
    }
    held = {(layout, name): hold(layout, *which) for layout in LAYOUTS for name, which in wanted.items()}
    with capsys.disabled():
        print(_table(held, machine))
    one, three = (held["views", name] for name in ("the largest size, bf16", "three sizes, bf16"))
    assert three.counted == one.counted
    assert three.resident < 1.02 * one.resident


def _table(held: dict[tuple[str, str], Held], machine: str) -> str:
    lines = ["", "", f"Hybrid of 309M parameters, {machine}; MiB counted and MiB resident"]
    lines += ["", "| | views | packed |", "| --- | --- | --- |"]
    for name in dict.fromkeys(name for _, name in held):
        cells = [held[layout, name] for layout in LAYOUTS]
        shown = [f"{cell.counted / 2**20:.0f}, {cell.resident / 2**20:.0f}" for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)
