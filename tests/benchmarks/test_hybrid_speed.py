"""How fast is each size and precision of a hybrid, beside its largest BF16, transformers and llama.cpp?

Every contender is measured next to the largest BF16, so that its ratio is of the same minute, and is let go
before the next one comes. All run on one thread and are timed by its own processor seconds, of which a busy
neighbour takes none. A decode step excludes sampling; caches hold 128 tokens when decoding begins.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from contenders import (
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
from hybrid_checkpoint import save_random_hybrid
from hybrid_gguf import write_hybrid_gguf
from transformers import NemotronHForCausalLM

from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.elastic import shrink
from nemotron_backend.model.inventory import EMBEDDING, inventory, is_linear
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_tensors import module
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels.native import native_code

pytestmark = pytest.mark.benchmark

VOCABULARY = 16_384
_STORED: dict[Precision, float] = {"bf16": 2, "fp8": 1, "nvfp4": 9 / 16}


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender that is opened when its turn comes, and the weights that it reads for one token."""

    open: Callable[[], Contender]
    megabytes: float
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second: decoding one stream, the best of its steps, and reading one prompt."""

    step: float
    prompt: float


@dataclass(frozen=True, slots=True)
class Row:
    """A contender's rates, and those of the largest BF16 just before."""

    megabytes: float
    largest_megabytes: float
    own: Rates
    largest: Rates


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_hybrid(tmp_path_factory.mktemp("hybrid"))


@pytest.mark.usefixtures("one_thread")
def test_sizes_and_precisions_beside_the_largest_bf16(
    folder: Path, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n\nHybrid of 309M parameters, one thread of {machine}; tokens per second\n")
        print("| | decode | prefill of 512 | MB a token | over large bf16: decode | prefill | bytes |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, row in _measured(folder, _sizes(folder)):
            print(_line(name, row, is_peer=False), flush=True)


@pytest.mark.usefixtures("one_thread")
def test_the_largest_bf16_beside_transformers_and_llama_cpp(
    folder: Path, tmp_path: Path, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed; `make bench` installs it")
    with capsys.disabled():
        print(f"\n\nHybrid of 309M parameters, one thread of {machine}; tokens per second\n")
        print("| | decode | prefill of 512 | MB a token | large bf16 over it: decode | prefill | bytes |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, row in _measured(folder, _peers(folder, tmp_path)):
            print(_line(name, row, is_peer=True), flush=True)


def _measured(folder: Path, entries: dict[str, Entry]) -> Iterator[tuple[str, Row]]:
    first = _ours(folder, "large", "bf16", "packed")
    largest = first.open()
    said = answers(largest, random_tokens(CONTEXT, VOCABULARY), 4)
    for name, entry in entries.items():
        with _opened(entry) as contender:
            if entry.is_exact:
                assert answers(contender, random_tokens(CONTEXT, VOCABULARY), 4) == said, name
            beside = _rates(largest)
            yield name, Row(entry.megabytes, first.megabytes, _rates(contender), beside)


def _rates(contender: Contender) -> Rates:
    tokens, best = contender.prefill(random_tokens(CONTEXT, VOCABULARY), 1), float("inf")
    for number in range(STEPS):
        seconds, tokens = timed(contender.step, tokens, CONTEXT + number, clock=time.process_time)
        best = min(best, seconds)
    prompt = random_tokens(PROMPT, VOCABULARY)
    seconds, _ = timed(contender.prefill, prompt, 1, clock=time.process_time)
    return Rates(1 / best, PROMPT / seconds)


@contextmanager
def _opened(entry: Entry) -> Iterator[Contender]:
    contender = entry.open()
    yield contender
    if isinstance(contender, LlamaCpp):
        contender.close()


def _sizes(folder: Path) -> dict[str, Entry]:
    sizes = NemotronHCheckpoint.open(folder).sizes
    packed = {
        f"{size} {precision}": _ours(folder, size, precision, "packed")
        for size in sizes
        for precision in PRECISIONS
    }
    return {**packed, **{f"{size} bf16, views": _ours(folder, size, "bf16", "views") for size in sizes}}


def _ours(folder: Path, size: str, precision: Precision, layout: Layout) -> Entry:
    def start() -> Ours:
        return Ours(NemotronHCheckpoint.open(folder).network(size, precision, layout))

    whole = NemotronHCheckpoint.open(folder).config
    config, wanted = shrink(whole, size, folder), recipe(whole, precision)

    def bytes_of(name: str) -> float:
        """Native code reads what is stored; otherwise it is float16 packed and float32 in views."""
        if native_code() is None:
            return 2 if layout == "packed" else 4
        return _STORED[wanted.of(module(name))] if is_linear(name) else 4

    return Entry(start, _megabytes(config, bytes_of))


def _peers(folder: Path, tmp_path: Path) -> dict[str, Entry]:
    config = NemotronHCheckpoint.open(folder).config

    def transformers(dtype: torch.dtype) -> Transformers:
        return Transformers(NemotronHForCausalLM.from_pretrained(folder, dtype=dtype))

    def llama_cpp(kind: type[np.floating]) -> LlamaCpp:
        file = write_hybrid_gguf(folder, tmp_path / f"{kind.__name__}.gguf", kind)
        return LlamaCpp(file, num_threads=1)

    def rounded(kind: str) -> LlamaCpp:
        file = write_hybrid_gguf(folder, tmp_path / "float32.gguf", np.float32)
        return LlamaCpp(quantised_gguf(file, kind), num_threads=1)

    return {
        "transformers float32": Entry(lambda: transformers(torch.float32), _megabytes(config, 4), True),
        "transformers bfloat16": Entry(lambda: transformers(torch.bfloat16), _megabytes(config, 2)),
        "llama.cpp f32": Entry(lambda: llama_cpp(np.float32), _megabytes(config, 4), True),
        "llama.cpp f16": Entry(lambda: llama_cpp(np.float16), _megabytes(config, 2)),
        "llama.cpp q8_0": Entry(lambda: rounded("Q8_0"), _megabytes(config, 34 / 32)),
        "llama.cpp q4_0": Entry(lambda: rounded("Q4_0"), _megabytes(config, 18 / 32)),
    }


def _megabytes(config: NemotronHConfig, size_of_weight: float | Callable[[str], float]) -> float:
    """Of all weights that one token meets."""
    share = config.num_experts_per_tok / config.n_routed_experts
    met = sum(
        np.prod(shape)
        * (share if ".experts." in name else 1)
        * (size_of_weight(name) if callable(size_of_weight) else size_of_weight)
        for name, shape in inventory(config).items()
        if name != EMBEDDING
    )
    return float(met) / 1e6


def _line(name: str, row: Row, *, is_peer: bool) -> str:
    """A size is told over the largest BF16, and that over a peer."""
    ratios = (
        row.own.step / row.largest.step,
        row.own.prompt / row.largest.prompt,
        row.megabytes / row.largest_megabytes,
    )
    shown = [f"{1 / ratio if is_peer else ratio:.2f}x" for ratio in ratios]
    rates = f"{row.own.step:.1f} | {row.own.prompt:.0f} | {row.megabytes:.0f}"
    return f"| {name} | {rates} | {' | '.join(shown)} |"
