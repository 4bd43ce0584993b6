"""How does the network in training form become a checkpoint?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from nemotron_backend.recipes import config_files
from nemotron_backend.recipes.elastic.network import Elastic

_FLOAT32 = "e_score_correction_bias"


def save(model: Elastic, config: Mapping[str, Any], out: Path) -> None:
    """Write config and weights as Nemotron 3 has them: bfloat16, and float32 for what moves the router."""
    config_files.write(config, out)
    tensors = {
        name: (tensor.float() if name.endswith(_FLOAT32) else tensor.bfloat16()).clone()
        for name, tensor in checkpoint_tensors(model)
    }
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})


def checkpoint_tensors(model: Elastic) -> Iterator[tuple[str, Tensor]]:
    """Every tensor under its released name: stacks are taken apart."""
    for name, tensor in model.state_dict().items():
        start, experts, part = name.partition(".experts.")
        if not experts:
            yield name, tensor
            continue
        for expert, matrix in enumerate(tensor):
            yield f"{start}.experts.{expert}.{part}.weight", matrix
