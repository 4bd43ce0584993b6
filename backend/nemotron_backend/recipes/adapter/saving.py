"""How does what was learned become a folder that is served?"""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from nemotron_backend.model.draft_mask import CONFIG, EMBEDDING, TENSOR
from nemotron_backend.recipes.adapter.network import SCALE, Adapter


def save(adapter: Adapter, block_length: int, folder: Path) -> None:
    """Write PEFT's two files, and the mask with the length of a block beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": adapter.rank,
        "lora_alpha": SCALE * adapter.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["o_proj"],
    }
    _write(folder / "adapter_config.json", config)
    _write(folder / CONFIG, {"block_size": block_length})
    save_file(_tensors(adapter), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    save_file({TENSOR: adapter.mask.detach().bfloat16()}, folder / EMBEDDING, metadata={"format": "pt"})


def _tensors(adapter: Adapter) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for index, (down, up) in enumerate(zip(adapter.down, adapter.up, strict=True)):
        name = f"base_model.model.model.layers.{index}.self_attn.o_proj"
        tensors[f"{name}.lora_A.weight"] = down.detach().bfloat16()
        tensors[f"{name}.lora_B.weight"] = up.detach().bfloat16()
    return tensors


def _write(file: Path, content: dict[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
