"""How fast does the network decode and prefill, beside transformers and llama.cpp on the same weights?

All contenders run in one process, on the same threads, in turns, and each figure is the best of its rounds.
A decode step excludes sampling; caches hold 128 tokens when decoding begins.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contenders import (
    BATCHES,
    CONTEXT,
    PROMPT,
    STEPS,
    Contender,
    LlamaCpp,
    Ours,
    Transformers,
    answers,
    quantised_gguf,
    random_tokens,
    timed,
)
from transformers import LlamaForCausalLM

from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.request import PRECISIONS

pytestmark = pytest.mark.benchmark

ROUNDS, VOCABULARY = 3, 40_000
PAIRS = (
    ("bf16", "transformers float32"),
    ("bf16", "llama.cpp f32"),
    ("bf16", "llama.cpp f16"),
    ("fp8", "llama.cpp q8_0"),
    ("nvfp4", "llama.cpp q4_0"),
)


@dataclass
class Row:
    """Best seconds of one contender: a decode step for each batch size, and one prompt."""

    contender: Contender
    load: Any
    step: dict[int, float] = field(default_factory=lambda: dict.fromkeys(BATCHES, float("inf")))
    prompt: float = float("inf")

    def measure(self) -> None:
        with self.load.watched():
            for batch in BATCHES:
                tokens = self.contender.prefill(random_tokens(CONTEXT, VOCABULARY), batch)
                for number in range(STEPS):
                    seconds, tokens = timed(self.contender.step, tokens, CONTEXT + number)
                    self.step[batch] = min(self.step[batch], seconds)
            self.prompt = min(
                self.prompt, timed(self.contender.prefill, random_tokens(PROMPT, VOCABULARY), 1)[0]
            )

    def rates(self) -> list[float]:
        return [*(batch / seconds for batch, seconds in self.step.items()), PROMPT / self.prompt]


def test_decode_and_prefill_beside_transformers_and_llama_cpp(
    smollm2_checkpoint: Path,
    write_gguf: Callable[[Any], Path],
    other_load: Callable[[], Any],
    machine: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed; `make bench` installs it")
    num_threads = torch.get_num_threads()
    checkpoint = LlamaCheckpoint.open(smollm2_checkpoint)
    contenders: dict[str, Contender] = {
        "transformers float32": Transformers(
            LlamaForCausalLM.from_pretrained(smollm2_checkpoint, dtype=torch.float32)
        ),
        "llama.cpp f32": LlamaCpp(write_gguf(np.float32), num_threads),
        "llama.cpp f16": LlamaCpp(write_gguf(np.float16), num_threads),
        "llama.cpp q8_0": LlamaCpp(quantised_gguf(write_gguf(np.float32), "Q8_0"), num_threads),
        "llama.cpp q4_0": LlamaCpp(quantised_gguf(write_gguf(np.float32), "Q4_0"), num_threads),
        **{f"ours {precision}": Ours(checkpoint.network("full", precision)) for precision in PRECISIONS},
    }
    _check_that_all_run_the_same_network(contenders)
    rows = {name: Row(contender, other_load()) for name, contender in contenders.items()}
    for _ in range(ROUNDS):
        for row in rows.values():
            row.measure()
    with capsys.disabled():
        print(_table(rows, f"{machine}, {num_threads} threads"))


def _check_that_all_run_the_same_network(contenders: dict[str, Contender]) -> None:
    """Rounded weights may choose otherwise; the others must go the same way."""
    exact = [
        contender
        for name, contender in contenders.items()
        if not name.endswith(("fp8", "nvfp4", "q8_0", "q4_0"))
    ]
    said = [answers(contender, random_tokens(CONTEXT, VOCABULARY), 4) for contender in exact]
    assert all(answer == said[0] for answer in said)


def _table(rows: dict[str, Row], where: str) -> str:
    lines = [
        "",
        "",
        f"SmolLM2-135M, bfloat16 values, {where}; tokens per second, best of {ROUNDS} rounds",
        "",
        "| | decode, batch 1 | decode, batch 8 | 8 over 1 | prefill of 512 | busiest neighbour, cores |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        one, eight, prompt = row.rates()
        lines.append(
            f"| {name} | {one:.1f} | {eight:.0f} | {eight / one:.2f} | {prompt:.0f} | {row.load.cores:.2f} |"
        )
    for own, peer in PAIRS:
        rates = rows[f"ours {own}"].rates(), rows[peer].rates()
        one, eight, prompt = (a / b for a, b in zip(*rates, strict=True))
        lines.append(f"| ours {own} over {peer} | {one:.2f}x | {eight:.2f}x | | {prompt:.2f}x | |")
    return "\n".join(lines)
