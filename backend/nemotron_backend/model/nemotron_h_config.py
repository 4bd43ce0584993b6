"""Which hybrid network does a nemotron_h config.json describe?"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig

Kind = Literal["mamba", "attention", "experts", "mlp"]

_REMEDY = "Take config.json and weights from the same nemotron_h checkpoint."
_OF_LETTER: Mapping[str, Kind] = {"M": "mamba", "*": "attention", "E": "experts", "-": "mlp"}
_OF_WORD: Mapping[str, Kind] = {
    "mamba": "mamba",
    "linear_attention": "mamba",
    "attention": "attention",
    "full_attention": "attention",
    "moe": "experts",
    "mlp": "mlp",
}


class NemotronHConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Every shape and constant of the network, under the names that config.json uses.

    `layers` has one entry a layer, and `prediction_layers` one for each layer of the block that predicts
    further tokens. `elastic_sizes` gives, for each nested size, the fields in which it differs from the
    whole network.
    """

    layers: tuple[Kind, ...]
    prediction_layers: tuple[Kind, ...] = ()
    vocab_size: int
    hidden_size: int
    max_position_embeddings: int = 4096
    layer_norm_epsilon: float = 1e-5
    intermediate_size: int = 0
    num_attention_heads: int = 0
    num_key_value_heads: int = 0
    head_dim: int = 128
    mamba_num_heads: int = 0
    mamba_head_dim: int = 64
    ssm_state_size: int = 128
    n_groups: int = 8
    conv_kernel: int = 4
    use_conv_bias: bool = True
    chunk_size: int = 128
    n_routed_experts: int = 0
    num_experts_per_tok: int = 0
    moe_intermediate_size: int = 0
    moe_shared_expert_intermediate_size: int = 0
    moe_latent_size: int | None = None
    n_group: int = 1
    topk_group: int = 1
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0
    elastic_sizes: dict[str, dict[str, int]] = {}

    @property
    def inner_size(self) -> int:
        """Channels of all Mamba heads together."""
        return self.mamba_num_heads * self.mamba_head_dim

    @property
    def selection_size(self) -> int:
        """Channels of B and C together."""
        return 2 * self.n_groups * self.ssm_state_size

    @property
    def convolution_size(self) -> int:
        """Channels that the convolution mixes: x, B and C."""
        return self.inner_size + self.selection_size

    @property
    def expert_input_size(self) -> int:
        """What a routed expert reads and writes: the latent width, or the hidden one."""
        return self.moe_latent_size or self.hidden_size

    @property
    def num_heads(self) -> int:
        return self.num_attention_heads

    @property
    def num_kv_heads(self) -> int:
        return self.num_key_value_heads

    @property
    def group(self) -> int:
        """How many query heads share one key and value head."""
        return self.num_attention_heads // self.num_key_value_heads


def read_nemotron_h_config(folder: Path) -> NemotronHConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    try:
        file = msgspec.convert(json.loads(path.read_bytes()), dict[str, Any])
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable model config ({error})", _REMEDY) from error
    try:
        return parse_nemotron_h_config(file)
    except (ValueError, TypeError) as error:
        raise UnsupportedConfig(path, str(error), _REMEDY) from error


def parse_nemotron_h_config(file: Mapping[str, Any]) -> NemotronHConfig:
    """Read the fields of config.json, in the older spelling and in the newer one. Raises ValueError."""
    _check_fixed(file)
    given = {name: value for name, value in file.items() if value is not None}
    given["layers"] = _layers(file)
    given["prediction_layers"] = _prediction_layers(file)
    given.setdefault("layer_norm_epsilon", given.get("norm_eps", 1e-5))
    given.setdefault("num_key_value_heads", given.get("num_attention_heads", 0))
    config = msgspec.convert(given, NemotronHConfig)
    _check_shapes(config)
    return config


def _layers(file: Mapping[str, Any]) -> tuple[Kind, ...]:
    layers = _spelled(
        file,
        {
            "hybrid_override_pattern": _OF_LETTER,
            "layers_block_type": _OF_WORD,
            "layer_types": _OF_WORD,
        },
    )
    if not layers:
        raise ValueError("neither hybrid_override_pattern nor layers_block_type says what the layers are")
    if (count := file.get("num_hidden_layers")) not in (None, len(layers)):
        raise ValueError(f"num_hidden_layers is {count}, the layers named are {len(layers)}")
    return layers


def _prediction_layers(file: Mapping[str, Any]) -> tuple[Kind, ...]:
    """The layers of one stored block; none where there are several blocks, or a state to take back."""
    if file.get("num_nextn_predict_layers") != 1:
        return ()
    layers = _spelled(file, {"mtp_hybrid_override_pattern": _OF_LETTER, "mtp_layers_block_type": _OF_WORD})
    return () if "mamba" in layers else layers


def _spelled(file: Mapping[str, Any], spelled: Mapping[str, Mapping[str, Kind]]) -> tuple[Kind, ...]:
    """What one of these fields says; nothing where none is there. Raises ValueError where two differ."""
    readings = {
        name: _kinds(name, file[name], kinds) for name, kinds in spelled.items() if file.get(name) is not None
    }
    if len(set(readings.values())) > 1:
        raise ValueError(f"{' and '.join(readings)} name different layers")
    return next(iter(readings.values()), ())


def _kinds(name: str, written: Any, kinds: Mapping[str, Kind]) -> tuple[Kind, ...]:
    unknown = sorted({str(layer) for layer in written} - set(kinds))
    if unknown or not written:
        raise ValueError(
            f"{name} has {unknown or 'no layers'}, where each layer is one of {', '.join(kinds)}"
        )
    return tuple(kinds[layer] for layer in written)


def _check_fixed(file: Mapping[str, Any]) -> None:
    """What every released nemotron_h has in common is not a choice here."""
    fixed = {
        "model_type": ("nemotron_h",),
        "mlp_hidden_act": ("relu2", None),
        "mamba_hidden_act": ("silu", None),
        "attention_bias": (False, None),
        "mlp_bias": (False, None),
        "use_bias": (False, None),
        "mamba_proj_bias": (False, None),
        "tie_word_embeddings": (False, None),
        "sliding_window": (None,),
        "n_shared_experts": (1, None),
        "residual_in_fp32": (False, None),
    }
    for name, allowed in fixed.items():
        if file.get(name) not in allowed:
            raise ValueError(f"{name} is {file.get(name)!r}, and only {allowed[0]!r} is built here")
    limit = file.get("time_step_limit")
    if limit is not None and [_number(bound) for bound in limit] != [0.0, math.inf]:
        raise ValueError(f"time_step_limit is {limit!r}, and only an unlimited step is built here")


def _number(bound: Any) -> float:
    # transformers 5 writes an infinite number as {"__float__": "Infinity"}.
    return float(bound["__float__"] if isinstance(bound, dict) else bound)


def _check_shapes(config: NemotronHConfig) -> None:
    needed = {
        "attention": ("num_attention_heads", "num_key_value_heads", "head_dim"),
        "mamba": (
            "mamba_num_heads",
            "mamba_head_dim",
            "ssm_state_size",
            "n_groups",
            "conv_kernel",
            "chunk_size",
        ),
        "experts": (
            "n_routed_experts",
            "num_experts_per_tok",
            "moe_intermediate_size",
            "moe_shared_expert_intermediate_size",
        ),
        "mlp": ("intermediate_size",),
    }
    names = ["vocab_size", "hidden_size", *(name for kind in _kinds_of(config) for name in needed[kind])]
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}, and its layers need at least 1")
    for problem, is_wrong in _contradictions(config).items():
        if is_wrong:
            raise ValueError(problem)


def _contradictions(config: NemotronHConfig) -> dict[str, bool]:
    queries, keys = config.num_attention_heads, config.num_key_value_heads
    heads, groups = config.mamba_num_heads, config.n_groups
    experts, chosen = config.n_routed_experts, config.num_experts_per_tok
    kinds = _kinds_of(config)
    return {
        f"{queries} query heads cannot share {keys} key heads": "attention" in kinds and queries % keys != 0,
        f"{heads} Mamba heads do not divide into {groups} groups": "mamba" in kinds and heads % groups != 0,
        f"{experts} experts in {config.n_group} groups, of which {config.topk_group} are kept, "
        f"cannot give {chosen} to a token": "experts" in kinds and not _can_route(config),
    }


def _kinds_of(config: NemotronHConfig) -> set[Kind]:
    return {*config.layers, *config.prediction_layers}


def _can_route(config: NemotronHConfig) -> bool:
    if not 1 <= config.topk_group <= config.n_group or config.n_routed_experts % config.n_group:
        return False
    return config.num_experts_per_tok <= config.n_routed_experts // config.n_group * config.topk_group
