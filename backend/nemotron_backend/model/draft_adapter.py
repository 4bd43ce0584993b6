"""What does a `linear_spec_lora` folder add to a network while it drafts?

PEFT's format: for each attention output, a map of low rank whose product is scaled by alpha / r. It stays
beside the base weight, so that drafts and verifying forwards share one copy of it.
"""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig
from nemotron_backend.model.llama import Correction
from nemotron_backend.model.precision import shifted
from nemotron_backend.model.weights import Weights
from nemotron_kernels.quantised_linear import Linear, prepare

REMEDY = "Take the adapter that came with the checkpoint, or remove the folder to draft without one."


class _File(msgspec.Struct, kw_only=True):
    """The fields of adapter_config.json that matter, as PEFT spells them."""

    r: Annotated[int, msgspec.Meta(ge=1)]
    lora_alpha: float
    target_modules: list[str] | str
    peft_type: str = "LORA"
    use_rslora: bool = False
    use_dora: bool = False


def read_corrections(folder: Path, config: LlamaConfig, trunk: str) -> tuple[Correction, ...]:
    """One correction a layer of the module that PEFT knows as `trunk`. Raises CheckpointError."""
    file = _read_file(folder / "adapter_config.json")
    weights = Weights.open_file(folder / "adapter_model.safetensors")
    width = config.num_heads * config.head_dim

    def correction(index: int) -> Correction:
        name = f"base_model.{trunk}.layers.{index}.self_attn.o_proj"
        return Correction(
            down=_linear(weights.read(f"{name}.lora_A.weight", file.r, width), 1.0),
            up=_linear(
                weights.read(f"{name}.lora_B.weight", config.hidden_size, file.r), file.lora_alpha / file.r
            ),
        )

    return tuple(correction(index) for index in range(config.num_layers))


def _read_file(path: Path) -> _File:
    try:
        file = msgspec.convert(json.loads(path.read_bytes()), _File)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable adapter config ({error})", REMEDY) from error
    targets = [file.target_modules] if isinstance(file.target_modules, str) else file.target_modules
    problems = {
        f"peft_type is {file.peft_type!r}, not 'LORA'": file.peft_type != "LORA",
        f"the adapter changes {', '.join(targets)}, not o_proj alone": targets != ["o_proj"],
        "rank-stabilised and weight-decomposed adapters are not supported": file.use_rslora or file.use_dora,
    }
    for problem, is_wrong in problems.items():
        if is_wrong:
            raise UnsupportedConfig(path, problem, REMEDY)
    return file


def _linear(weight: Tensor, factor: float) -> Linear:
    if not torch.count_nonzero(weight):
        # An adapter at its first step: PEFT starts B at zero, which has no exponent to shift by.
        return prepare(weight.float(), torch.zeros(len(weight)))
    values, scale = shifted(weight)
    return prepare(values, scale.expand(len(values)) * factor)
