"""How does the network in training form become a checkpoint?"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from nemotron_backend.recipes.elastic.network import Elastic

_GENERATION = {"do_sample": False, "bos_token_id": 1, "eos_token_id": 11, "pad_token_id": 0}
_FLOAT32 = "e_score_correction_bias"


def save(model: Elastic, config: Mapping[str, Any], out: Path) -> None:
    """Write config and weights as Nemotron 3 has them: bfloat16, and float32 for what moves the router."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.float() if name.endswith(_FLOAT32) else tensor.bfloat16()).clone()
        for name, tensor in checkpoint_tensors(model)
    }
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    (out / "generation_config.json").write_text(json.dumps(_GENERATION, indent=2) + "\n", "utf-8")


def checkpoint_tensors(model: Elastic) -> Iterator[tuple[str, Tensor]]:
    """Every tensor under its released name: stacks are taken apart."""
    for name, tensor in model.state_dict().items():
        start, experts, part = name.partition(".experts.")
        if not experts:
            yield name, tensor
            continue
        for expert, matrix in enumerate(tensor):
            yield f"{start}.experts.{expert}.{part}.weight", matrix
