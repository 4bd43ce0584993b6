"""Which nested sizes does a checkpoint hold, and what is each one's shape?

The sizes stand in config.json, so that a checkpoint needs no code of its own:

    "elastic_sizes": {
        "30b": {},
        "23b": {"hidden_size": 2304, "moe_intermediate_size": 1536},
        "12b": {"hidden_size": 1792, "moe_intermediate_size": 1024, "n_routed_experts": 96}
    }

An entry gives the fields in which its size differs from the whole network; every size is the first
channels, experts and heads (of each group) of the next larger one. Without the key there is one size, `full`.
"""

from pathlib import Path

import msgspec

from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.model.nemotron_h_config import NemotronHConfig

FULL = "full"
NESTED_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "mamba_num_heads",
    "moe_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "n_routed_experts",
)


class UnknownSize(LookupError):
    """A size that the checkpoint does not name."""


class OffGrid(UnsupportedConfig):
    """A nested size cuts where the network or the precision cannot be cut."""


def sizes(config: NemotronHConfig) -> tuple[str, ...]:
    """The names of all sizes, the whole network's first."""
    whole = [name for name, fields in config.elastic_sizes.items() if _is_whole(config, fields)]
    nested = [name for name in config.elastic_sizes if name not in whole]
    return (*(whole or [FULL]), *nested)


def shrink(config: NemotronHConfig, size: str, folder: Path) -> NemotronHConfig:
    """The config of the nested network alone. Raises UnknownSize, OffGrid."""
    if size not in sizes(config):
        raise UnknownSize(f"{folder} has the sizes {', '.join(sizes(config))}, not {size!r}")
    fields = config.elastic_sizes.get(size, {})
    for problem in _problems(config, fields):
        raise OffGrid(
            folder / "config.json",
            f"elastic size {size!r}: {problem}",
            f"Correct elastic_sizes.{size} to a prefix of the whole network.",
        )
    return msgspec.structs.replace(config, **fields, elastic_sizes={})


def _is_whole(config: NemotronHConfig, fields: dict[str, int]) -> bool:
    return all(getattr(config, name, None) == value for name, value in fields.items())


def _problems(config: NemotronHConfig, fields: dict[str, int]) -> list[str]:
    unknown = sorted(set(fields) - set(NESTED_FIELDS))
    if unknown:
        return [f"{', '.join(unknown)} cannot be nested, only {', '.join(NESTED_FIELDS)} can"]
    outside = [
        f"{name} is {value}, outside 1 to {getattr(config, name)}"
        for name, value in fields.items()
        if not 1 <= value <= getattr(config, name)
    ]
    heads = fields.get("mamba_num_heads", config.mamba_num_heads)
    experts = fields.get("n_routed_experts", config.n_routed_experts)
    groups, chosen = config.n_groups, config.num_experts_per_tok
    uneven = "mamba" in config.layers and heads % groups != 0
    rules = {
        f"mamba_num_heads is {heads}, and each of the {groups} groups must keep equally many": uneven,
        f"n_routed_experts is {experts}, fewer than the {chosen} a token visits": experts < chosen,
        "experts in several groups cannot be cut": experts < config.n_routed_experts and config.n_group > 1,
    }
    return [*outside, *(problem for problem, is_wrong in rules.items() if is_wrong)]
