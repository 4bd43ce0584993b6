"""Fixtures for tests of hybrid networks: tiny random checkpoints, and ragged batches over them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import NemotronHConfig, NemotronHForCausalLM

from nemotron_backend.model.network import Batch, LayerCache, Network, Segment

SHAPE: dict[str, Any] = {
    "vocab_size": 101,
    "hidden_size": 48,
    "hybrid_override_pattern": "ME*M-E",
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 80,
    "mamba_num_heads": 8,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "ssm_state_size": 24,
    "conv_kernel": 4,
    "chunk_size": 8,
    "n_routed_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 64,
    "routed_scaling_factor": 2.5,
    "initializer_range": 0.2,
    "max_position_embeddings": 512,
    # transformers clamps the time step in its prefill and NVIDIA does not; this clamps nothing.
    "time_step_min": 1e-30,
}

SaveHybrid = Callable[..., Path]
Run = Callable[..., list[Tensor]]


@pytest.fixture
def save_hybrid(tmp_path: Path) -> SaveHybrid:
    """Write a random checkpoint of bfloat16 values in a folder of its own; keywords change the shape."""
    count = iter(range(100))

    def save(dtype: torch.dtype = torch.bfloat16, **changes: Any) -> Path:
        torch.manual_seed(0)
        model: Any = NemotronHForCausalLM(NemotronHConfig(**(SHAPE | changes)))
        with torch.no_grad():
            for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
                _draw(name, parameter)
        folder = tmp_path / f"hybrid-{next(count)}"
        model.to(dtype).save_pretrained(folder)
        return folder

    return save


def _draw(name: str, parameter: Tensor) -> None:
    """Values that make every part of the network matter."""
    if name.endswith(("norm.weight", "norm_f.weight", "mixer.D")):
        parameter.uniform_(0.5, 1.5)
    elif name.endswith("A_log"):
        parameter.uniform_(-1, 2)
    elif name.endswith(("dt_bias", "conv1d.bias", "e_score_correction_bias")):
        parameter.uniform_(-0.5, 0.5)
    elif name.endswith("out_proj.weight"):
        parameter.normal_(std=0.2)


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
