"""What does a forward over a block cost beside one over a token, and which lengths of drafts pay for it?

The pace of self-speculation reckons with a straight line through this curve.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nemotron_backend.embedded.decode.pace import cost_of_cycle
from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import load_network
from nemotron_backend.model.nemotron_labs_diffusion import open_checkpoint
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.recipes.trimode.network import CONFIG, TriMode

pytestmark = pytest.mark.benchmark

PREFIX, ROUNDS, REPEATS = 128, 3, 4
LENGTHS = (1, 2, 4, 8, 16, 32, 72, 272)
CHANCES = (0.5, 0.7, 0.8, 0.9, 0.95)


def _tri_mode(folder: Path) -> Llama:
    torch.manual_seed(0)
    weights = {name: value.bfloat16() for name, value in TriMode(CONFIG).state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    return open_checkpoint(folder).network("full", "bf16")


def _batch(cache: Any, length: int, position: int) -> Batch:
    generator = torch.Generator().manual_seed(length)
    return Batch(
        token_ids=torch.randint(101, 1000, (length,), generator=generator),
        positions=torch.arange(position, position + length),
        segments=(Segment(cache=cache, start=0, length=length, position=position),),
        logit_rows=torch.arange(length),
    )


def _seconds(network: Llama, cache: Any, length: int) -> float:
    """The best of some forwards over so many tokens behind a prefix, each taken back."""
    best = float("inf")
    for _ in range(REPEATS):
        batch = _batch(cache, length, PREFIX)
        started = time.perf_counter()
        network.forward(batch)
        best = min(best, time.perf_counter() - started)
        for layer in cache:
            layer.truncate(PREFIX)
    return best


def _curve(network: Llama, load: Any) -> dict[int, float]:
    cache = network.make_cache(PREFIX + max(LENGTHS))
    network.forward(_batch(cache, PREFIX, 0))
    best = dict.fromkeys(LENGTHS, float("inf"))
    with load.watched():
        for _ in range(ROUNDS):
            for length in LENGTHS:
                best[length] = min(best[length], _seconds(network, cache, length))
    return best


def test_what_a_block_costs_and_which_drafts_pay(
    smollm2_checkpoint: Path,
    tmp_path: Path,
    other_load: Callable[[], Any],
    machine: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    networks = {"tri-mode 4M": _tri_mode(tmp_path), "SmolLM2 135M": load_network(smollm2_checkpoint, "bf16")}
    load = other_load()
    curves = {name: _curve(network, load) for name, network in networks.items()}
    with capsys.disabled():
        where = f"{machine}, {torch.get_num_threads()} threads, busiest neighbour {load.cores:.2f} cores"
        print(f"\n\nMilliseconds of a forward over so many tokens behind {PREFIX}; {where}\n")
        print("| | " + " | ".join(map(str, LENGTHS)) + " | share of a token |")
        print("| --- |" + " ---: |" * (len(LENGTHS) + 1))
        for name, curve in curves.items():
            cells = " | ".join(f"{1000 * seconds:.2f}" for seconds in curve.values())
            print(f"| {name} | {cells} | {_share(curve):.4f} |")
        for name, curve in curves.items():
            print(_choices(name, curve))


def _share(curve: dict[int, float]) -> float:
    """What each further token of a block costs, in forwards over one, by the longest usual block."""
    return (curve[32] / curve[1] - 1) / 31


def _choices(name: str, curve: dict[int, float]) -> str:
    """The best length by the measured costs beside the one that the pace takes, for each chance."""
    lengths = [length for length in LENGTHS if length <= 32]

    def best(cost: Callable[[int], float], chance: float) -> int:
        return max(lengths, key=lambda length: sum(chance**place for place in range(length)) / cost(length))

    def measured(length: int) -> float:
        return (1 if length == 1 else 2) * curve[length] / curve[1]

    pairs = (f"{chance}: {best(measured, chance)}/{best(cost_of_cycle, chance)}" for chance in CHANCES)
    return f"{name}, best length by chance of a drafted token, measured/paced: " + ", ".join(pairs)
