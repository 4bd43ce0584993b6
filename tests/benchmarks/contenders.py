"""Who runs the same network: this project, transformers and llama.cpp, without their own loops around it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import DynamicCache

from nemotron_backend.model.network import Batch, Network, Segment

CONTEXT, PROMPT, STEPS, BATCHES = 128, 512, 16, (1, 8)


class Contender(Protocol):
    """Something that runs the network; sequences are numbered from 0."""

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        """Read one prompt into each of so many fresh sequences; returns the likeliest next tokens."""
        ...

    def step(self, token_ids: list[int], position: int) -> list[int]:
        """One more token for each sequence."""
        ...


class Ours:
    """A network of this project."""

    def __init__(self, network: Network) -> None:
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
    """A causal language model of transformers, called without the loop of `generate` around it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache: Any = None

    def prefill(self, token_ids: list[int], num_sequences: int) -> list[int]:
        self._cache = DynamicCache(config=self._model.config)
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
        self._model = llama_cpp.llama_model_load_from_file(
            str(file).encode(), llama_cpp.llama_model_default_params()
        )
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = max(BATCHES) * (PROMPT + STEPS + 64)
        options.n_batch = options.n_ubatch = max(BATCHES) * PROMPT
        options.n_seq_max = max(BATCHES)
        options.n_threads = options.n_threads_batch = num_threads
        self._context = llama_cpp.llama_init_from_model(self._model, options)
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
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

    def close(self) -> None:
        """Give the memory back."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def _likeliest(self, row: int) -> int:
        logits = self._lib.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocab_size,)).argmax())


def quantised_gguf(file: Path, kind: str) -> Path:
    """The same network rounded by llama.cpp itself, beside the file."""
    import ctypes

    import llama_cpp

    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    made = file.with_name(f"{file.stem}-{kind}.gguf")
    failed = llama_cpp.llama_model_quantize(str(file).encode(), str(made).encode(), ctypes.byref(options))
    assert not failed
    return made


def timed(
    function: Callable[..., list[int]], *arguments: Any, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, list[int]]:
    """Seconds that a call took, and what it gave."""
    started = clock()
    result = function(*arguments)
    return clock() - started, result


def random_tokens(length: int, vocab_size: int) -> list[int]:
    """The same tokens every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(100, vocab_size, (length,), generator=generator).tolist()


def answers(contender: Contender, prompt: list[int], num_steps: int) -> list[int]:
    """What two sequences with one prompt say, for a comparison between contenders."""
    answer = contender.prefill(prompt, 2)
    for number in range(num_steps):
        answer = [*answer, *contender.step(answer[-2:], len(prompt) + number)]
    return answer
