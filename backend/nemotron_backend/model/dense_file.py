"""What do the config.json files of all dense decoders say alike?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig

Count = Annotated[int, msgspec.Meta(ge=1)]


class DenseFile(msgspec.Struct, kw_only=True):
    """The fields that matter in all of them, as Hugging Face spells them."""

    model_type: str
    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    max_position_embeddings: Count = 2048
    tie_word_embeddings: bool = False
    hidden_act: str = ""
    attention_bias: bool = False
    mlp_bias: bool = False
    quantization_config: dict[str, Any] | None = None

    @property
    def num_kv_heads(self) -> int:
        """Key and value heads; as many as there are query heads where none are named."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def width_of_head(self) -> int:
        """The width of a head; where it is not named, heads share the hidden width."""
        return self.head_dim or self.hidden_size // self.num_attention_heads


_File = TypeVar("_File", bound=DenseFile)


def read_file(path: Path, kind: type[_File], remedy: str) -> _File:
    """The fields of this kind of config. Raises UnreadableFile."""
    try:
        return msgspec.convert(json.loads(path.read_bytes()), kind)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable model config ({error})", remedy) from error


def faults(file: DenseFile, model_type: str, activation: str) -> dict[str, bool]:
    """What makes a config one of a network that is not built here, and whether it is so."""
    heads, kv_heads, head_dim = file.num_attention_heads, file.num_kv_heads, file.width_of_head
    return {
        "the weights are quantised, and here plain ones are rounded when they are served": (
            file.quantization_config is not None
        ),
        f"model_type is {file.model_type!r}, not {model_type!r}": file.model_type != model_type,
        f"hidden_act is {file.hidden_act!r}, not {activation!r}": file.hidden_act != activation,
        f"head_dim is {head_dim}, which has no pairs to turn": head_dim % 2 == 1,
        "biases are not supported": file.attention_bias or file.mlp_bias,
        f"{heads} query heads cannot share {kv_heads} key heads": heads % kv_heads != 0,
    }


def refuse(path: Path, faults: Mapping[str, bool], remedy: str) -> None:
    """Tell the first fault. Raises UnsupportedConfig."""
    for problem, is_so in faults.items():
        if is_so:
            raise UnsupportedConfig(path, problem, remedy)
