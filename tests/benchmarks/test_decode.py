"""How fast does the network decode and prefill, beside transformers and llama.cpp on the same weights?

All contenders run in one process, on the same threads, in turns, and each figure is the best of its rounds.
A decode step excludes sampling; caches hold 128 tokens when decoding begins.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from transformers import DynamicCache, LlamaForCausalLM

from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.request import PRECISIONS

pytestmark = pytest.mark.benchmark

CONTEXT, PROMPT, STEPS, ROUNDS, BATCHES = 128, 512, 16, 3, (1, 8)


class Contender(Protocol):
    """Something that runs the network; sequences are numbered from 0."""

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        """Read one prompt into each of so many fresh sequences; returns the likeliest next tokens."""
        ...

    def step(self, token_ids: list[int], position: int) -> list[int]:
        """One more token for each sequence."""
        ...


class Ours:
    """The network of this project in one precision."""

    def __init__(self, network: Llama) -> None:
        self._network = network
        self._caches: list[Any] = []

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        self._caches = [self._network.make_cache(PROMPT + STEPS) for _ in range(num_sequences)]
        return self._run(token_ids, 0)

    def step(self, token_ids: list[int], position: int) -> list[int]:
        return self._run(token_ids, position)

    def _run(self, token_ids: list[int], position: int) -> list[int]:
        """Every sequence gets the whole prompt, or its own one token."""
        count = len(self._caches)
        length = 1 if position else len(token_ids)
        rows = token_ids if position else token_ids * count
        segments = tuple(
            Segment(cache=cache, start=index * length, length=length, position=position)
            for index, cache in enumerate(self._caches)
        )
        batch = Batch(
            token_ids=torch.tensor(rows),
            positions=torch.arange(position, position + length).repeat(count),
            segments=segments,
            logit_rows=torch.arange(length - 1, count * length, length),
        )
        likeliest: list[int] = self._network.forward(batch).argmax(dim=-1).tolist()
        return likeliest


class Transformers:
    """LlamaForCausalLM in float32, called without the loop of `generate` around it."""

    def __init__(self, folder: Path) -> None:
        self._model: Any = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self._cache = DynamicCache()

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        self._cache = DynamicCache()
        return self._run([token_ids] * num_sequences)

    def step(self, token_ids: list[int], position: int) -> list[int]:
        return self._run([[token_id] for token_id in token_ids])

    @torch.inference_mode()
    def _run(self, rows: list[list[int]]) -> list[int]:
        inputs = torch.tensor(rows)
        answer = self._model(inputs, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        likeliest: list[int] = answer.logits[:, -1].argmax(dim=-1).tolist()
        return likeliest


class LlamaCpp:
    """llama.cpp through its C interface, which alone takes several sequences at once."""

    def __init__(self, file: Path, num_threads: int) -> None:
        import llama_cpp

        self._lib: Any = llama_cpp
        self._silence = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self._silence, None)
        model = llama_cpp.llama_model_load_from_file(
            str(file).encode(), llama_cpp.llama_model_default_params()
        )
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = max(BATCHES) * (PROMPT + STEPS + 64)
        options.n_batch = options.n_ubatch = max(BATCHES) * PROMPT
        options.n_seq_max = max(BATCHES)
        options.n_threads = options.n_threads_batch = num_threads
        self._context = llama_cpp.llama_init_from_model(model, options)
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self._batch = llama_cpp.llama_batch_init(options.n_batch, 0, 1)

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        return self._run([token_ids] * num_sequences, 0)

    def step(self, token_ids: list[int], position: int) -> list[int]:
        return self._run([[token_id] for token_id in token_ids], position)

    def _run(self, rows: list[list[int]], position: int) -> list[int]:
        batch, place, ends = self._batch, 0, []
        for sequence, row in enumerate(rows):
            for offset, token_id in enumerate(row):
                batch.token[place], batch.pos[place] = token_id, position + offset
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, sequence
                batch.logits[place] = offset == len(row) - 1
                place += 1
            ends.append(place - 1)
        batch.n_tokens = place
        assert self._lib.llama_decode(self._context, batch) == 0
        return [self._likeliest(end) for end in ends]

    def _likeliest(self, row: int) -> int:
        logits = self._lib.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocab_size,)).argmax())


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
                tokens = self.contender.prefill(_tokens(CONTEXT), batch)
                for number in range(STEPS):
                    seconds, tokens = _timed(self.contender.step, tokens, CONTEXT + number)
                    self.step[batch] = min(self.step[batch], seconds)
            self.prompt = min(self.prompt, _timed(self.contender.prefill, _tokens(PROMPT), 1)[0])

    def rates(self) -> list[float]:
        return [*(batch / seconds for batch, seconds in self.step.items()), PROMPT / self.prompt]


def _timed(function: Callable[..., list[int]], *arguments: Any) -> tuple[float, list[int]]:
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result


def _tokens(length: int) -> list[int]:
    return torch.randint(100, 40000, (length,), generator=torch.Generator().manual_seed(0)).tolist()


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
        "transformers float32": Transformers(smollm2_checkpoint),
        "llama.cpp f32": LlamaCpp(write_gguf(np.float32), num_threads),
        "llama.cpp f16": LlamaCpp(write_gguf(np.float16), num_threads),
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
    exact = [contender for name, contender in contenders.items() if not name.endswith(("fp8", "nvfp4"))]
    answers = []
    for contender in exact:
        answer = contender.prefill(_tokens(CONTEXT), 2)
        for number in range(4):
            answer = [*answer, *contender.step(answer[-2:], CONTEXT + number)]
        answers.append(answer)
    assert all(answer == answers[0] for answer in answers)


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
    ours = rows["ours bf16"].rates()
    for peer in ("transformers float32", "llama.cpp f32", "llama.cpp f16"):
        one, eight, prompt = (a / b for a, b in zip(ours, rows[peer].rates(), strict=True))
        lines.append(f"| ours bf16 over {peer} | {one:.2f}x | {eight:.2f}x | | {prompt:.2f}x | |")
    return "\n".join(lines)
