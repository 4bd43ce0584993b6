"""What do benchmarks share: the machine's name, its other load, and the same weights in another format?"""

import os
import platform
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from torch import Tensor

from nemotron_backend.model.config import read_config
from nemotron_backend.model.rotary import pair
from nemotron_backend.model.weights import Weights

_ROLES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
WriteGguf = Callable[[type[np.floating]], Path]


class OtherLoad:
    """How many cores other processes used while this one measured; a busy neighbour spoils a figure."""

    def __init__(self) -> None:
        self.cores = 0.0

    @contextmanager
    def watched(self) -> Generator[None]:
        """Keep the largest load seen."""
        started, busy, own = time.perf_counter(), _busy_seconds(), time.process_time()
        yield
        elapsed = time.perf_counter() - started
        others = _busy_seconds() - busy - (time.process_time() - own)
        self.cores = max(self.cores, others / elapsed)


def _busy_seconds() -> float:
    """CPU time of all processes; 0 where the kernel does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system = (int(field) for field in stat.read_text("utf-8").split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="session")
def machine() -> str:
    """One line that names what the figures were taken on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.machine()
    return f"{processor}, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"


@pytest.fixture
def other_load() -> Callable[[], OtherLoad]:
    return OtherLoad


@pytest.fixture
def write_gguf(smollm2_checkpoint: Path, tmp_path: Path) -> WriteGguf:
    """Write SmolLM2's bfloat16 values as a GGUF of another type, without its vocabulary."""

    def write(kind: type[np.floating]) -> Path:
        file = tmp_path / f"{kind.__name__}.gguf"
        writer = GGUFWriter(file, "llama")
        _add_config(writer, smollm2_checkpoint)
        for name, tensor in _tensors(smollm2_checkpoint):
            values = tensor.float().numpy()
            writer.add_tensor(f"{name}.weight", values.astype(kind) if values.ndim == 2 else values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return file

    return write


def _add_config(writer: GGUFWriter, folder: Path) -> None:
    config = read_config(folder)
    writer.add_block_count(config.num_layers)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    weights, config = Weights.open(folder), read_config(folder)
    yield "token_embd", weights.read_any("model.embed_tokens.weight")
    yield "output_norm", weights.read_any("model.norm.weight")
    for index in range(config.num_layers):
        layer = f"model.layers.{index}"
        yield f"blk.{index}.attn_norm", weights.read_any(f"{layer}.input_layernorm.weight")
        yield f"blk.{index}.ffn_norm", weights.read_any(f"{layer}.post_attention_layernorm.weight")
        for theirs, ours in _ROLES.items():
            weight = weights.read_any(f"{layer}.{ours}.weight")
            turned = theirs in {"attn_q", "attn_k"}
            yield (
                f"blk.{index}.{theirs}",
                pair(weight, config.head_dim, config.rotary_dim) if turned else weight,
            )
