"""Fixtures for tests of networks and decode modes: tiny random checkpoints, and what runs over them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import tiny_hybrid
import torch
from safetensors.torch import load_file, save_file
from tiny_hybrid import PREDICTING
from torch import Tensor

from nemotron_backend.embedded.core import Core
from nemotron_backend.embedded.messages import Refused, Submit
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.llama import Llama
from nemotron_backend.model.nemotron_labs_diffusion import open_checkpoint
from nemotron_backend.model.network import Batch, LayerCache, Network, Segment
from nemotron_backend.recipes.trimode.network import CONFIG, TriMode
from nemotron_backend.request import (
    GREEDY,
    Canvas,
    Decode,
    Decoding,
    Delta,
    Forward,
    Stopping,
    Token,
    Usage,
    Variant,
)

SaveHybrid = Callable[..., Path]
Run = Callable[..., list[Tensor]]


@pytest.fixture
def save_hybrid(tmp_path: Path) -> SaveHybrid:
    """Write a random checkpoint of bfloat16 values in a folder of its own; keywords change the shape."""
    count = iter(range(100))

    def save(dtype: torch.dtype = torch.bfloat16, **changes: Any) -> Path:
        folder = tmp_path / f"hybrid-{next(count)}"
        tiny_hybrid.save_hybrid(folder, dtype, **changes)
        return folder

    return save


@pytest.fixture
def save_predicting_hybrid(save_hybrid: SaveHybrid) -> SaveHybrid:
    """The same with a block that predicts further tokens."""

    def save(strength: float = 0.04, **changes: Any) -> Path:
        folder = save_hybrid(**(PREDICTING | changes))
        tiny_hybrid.add_prediction(folder, strength)
        return folder

    return save


@pytest.fixture
def run() -> Run:
    """Run a network over parts (token ids, cache); returns each part's logits for all its tokens."""

    def run_parts(
        network: Network, *parts: tuple[Sequence[int], Sequence[LayerCache], int], **marks: Any
    ) -> list[Tensor]:
        batch = _lay(parts, marks)
        return list(torch.split(network.forward(batch), [len(tokens) for tokens, _, _ in parts]))

    return run_parts


def _lay(parts: Sequence[tuple[Sequence[int], Sequence[LayerCache], int]], marks: dict[str, Any]) -> Batch:
    segments: list[Segment] = []
    tokens: list[int] = []
    positions: list[int] = []
    for part, cache, position in parts:
        segments.append(Segment(cache=cache, start=len(tokens), length=len(part), position=position, **marks))
        tokens += part
        positions += range(position, position + len(part))
    return Batch(
        token_ids=torch.tensor(tokens),
        positions=torch.tensor(positions),
        segments=tuple(segments),
        logit_rows=torch.arange(len(tokens)),
    )


TRI_MODE: dict[str, Any] = CONFIG | {
    "vocab_size": 24,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "block_size": 8,
    "mask_token_id": 5,
}


@dataclass(frozen=True)
class TriModeCase:
    """A random tri-mode network as it is served, and the same weights in the form that is trained."""

    network: Llama
    trained: TriMode

    def slowly(self, ids: Sequence[int], num_free: int = 0) -> Tensor:
        """Logits of every token by one forward over all of them, the last `num_free` seeing each other."""
        seen = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
        seen[len(ids) - num_free :, len(ids) - num_free :] = True
        with torch.inference_mode():
            hidden = self.trained(torch.tensor([ids]), torch.arange(len(ids))[None], seen[None, None])
            logits: Tensor = self.trained.diffusion_head(hidden)[0]
        return logits


@pytest.fixture(scope="session")
def tri_mode_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random tri-mode checkpoint of bfloat16 values, large enough apart to speak in many ways."""
    folder = tmp_path_factory.mktemp("tri-mode")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        weights = TriMode(TRI_MODE).state_dict()
    for name, value in weights.items():
        if "norm" not in name:
            value.mul_(12)
    save_file({name: value.bfloat16() for name, value in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(TRI_MODE), "utf-8")
    return folder


@pytest.fixture(scope="session")
def tri_mode(tri_mode_folder: Path) -> TriModeCase:
    """That checkpoint, loaded."""
    trained = TriMode(TRI_MODE)
    trained.load_state_dict(load_file(tri_mode_folder / "model.safetensors"))
    return TriModeCase(open_checkpoint(tri_mode_folder).network("full", "bf16"), trained)


@dataclass
class ModeRun:
    """What one choice got."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    trace: list[Forward] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    canvases: list[tuple[int, Canvas]] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None
    notice: str = ""


class ModeCore:
    """A core that serves one network in every decode mode, with a clock that ticks."""

    ends = frozenset({0})

    def __init__(self, network: Network, num_ids: int = 24, **changes: Any) -> None:
        pieces = tuple(bytes([97 + token_id % 26]) for token_id in range(num_ids))
        vocabulary = Vocabulary(pieces=pieces, special=frozenset(), ends=self.ends)
        options = EmbeddedOptions(max_running=64, max_waiting=1000, cache_limit_bytes=1 << 30)
        ticks = iter(range(10**9))
        self.core = Core(
            replace(options, **changes), _OneNetwork(network), {"tri": vocabulary}, lambda: float(next(ticks))
        )
        self.runs: dict[tuple[int, int], ModeRun] = {}
        self.refused: list[Refused] = []

    def submit(self, request_id: int, prompt: Sequence[int], decode: Decode, **changes: Any) -> None:
        """Put a greedy request in line; keywords change sampling, stopping, decoding or the rest of it."""
        submit = Submit(
            id=request_id,
            variant=Variant(model="tri", size="full", precision="bf16", decode=decode),
            token_ids=tuple(prompt),
            sampling=changes.pop("sampling", GREEDY),
            stopping=changes.pop("stopping", ENDLESS),
            num_choices=changes.pop("num_choices", 1),
            num_top_logprobs=changes.pop("num_top_logprobs", None),
            trace=True,
            arrived=0.0,
            decoding=changes.pop("decoding", Decoding(threshold=0.9 if decode == "diffusion" else 0.0)),
            canvas=changes.pop("canvas", False),
        )
        assert not changes
        assert self.core.submit(submit) is None

    def step(self) -> None:
        for event in self.core.step():
            if isinstance(event, Refused):
                self.refused.append(event)
                continue
            for request_id, delta in event.deltas:
                self._take(self.runs.setdefault((request_id, delta.index), ModeRun()), delta)

    def finish(self) -> None:
        while not self.core.is_idle:
            self.step()

    def answer(self, prompt: Sequence[int], decode: Decode, **changes: Any) -> ModeRun:
        """One request by itself, on a core whose memory may hold earlier prompts."""
        self.submit(-1, prompt, decode, **changes)
        self.finish()
        return self.runs.pop((-1, 0))

    def _take(self, run: ModeRun, delta: Delta) -> None:
        run.ids += [token.id for token in delta.tokens]
        run.tokens += delta.tokens
        run.text += delta.text
        run.trace += delta.trace
        if delta.canvas is not None:
            run.canvases.append((len(run.ids), delta.canvas))
        run.finish, run.usage, run.notice = delta.finish, delta.usage, delta.notice


class _OneNetwork:
    resident: tuple[ResidentModel, ...] = ()

    def __init__(self, network: Network) -> None:
        self._network = network

    def find(self, variant: Variant) -> Network | None:
        return self._network

    def failure(self, variant: Variant) -> str | None:
        return None


ENDLESS = Stopping(max_tokens=40, strings=(), token_ids=(), ignore_eos=True)


@pytest.fixture
def mode_core(tri_mode: TriModeCase) -> Callable[..., ModeCore]:
    """Makes a core over the random tri-mode network; keywords change its options."""
    return lambda **changes: ModeCore(tri_mode.network, **changes)


@pytest.fixture(scope="session")
def make_core() -> Callable[..., ModeCore]:
    """The same for tests that make many cores of one fixture."""
    return lambda case, **changes: ModeCore(case.network, **changes)


@pytest.fixture(scope="session")
def core_over() -> Callable[..., ModeCore]:
    """Makes a core over any network; keywords change its options."""
    return ModeCore
