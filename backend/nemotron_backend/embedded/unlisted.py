"""What can be told of a checkpoint that the catalog does not list?"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from nemotron_backend.catalog import Model, Reasoning, Size, ToolSyntax, folder_dimensions
from nemotron_backend.catalog.entry import Kind, RecommendedSampling
from nemotron_backend.embedded.chat_template import read_source
from nemotron_backend.model.reward_config import num_outputs
from nemotron_backend.request import DECODES, PRECISIONS, Decode

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.]+")
_UNKNOWN = Size(name="full", total_parameters=0, active_parameters=0)
# What begins the next turn in templates that end none.
_NEXT_TURN = "<extra_id_1>"
# What a template of a model that calls tools so says somewhere.
_CALLS: Mapping[str, ToolSyntax] = {
    "<function=": "qwen3_coder",
    "<toolcall>": "toolcall",
    "<|python_tag|>": "llama3_json",
}


class _Config(msgspec.Struct):
    """What is of interest in config.json."""

    architectures: tuple[str, ...] = ("unknown",)
    model_type: str = "unknown"
    max_position_embeddings: int = 4096
    num_nextn_predict_layers: int | None = None


class _Generation(msgspec.Struct):
    """What is of interest in generation_config.json."""

    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0


def entry(folder: Path, name: str) -> Model:
    """An entry of its own, by its files alone."""
    config, template = _read(folder / "config.json", _Config), read_source(folder)
    switch = Reasoning(switch="enable_thinking", default=True, budget="reasoning_budget")
    return Model(
        id=name,
        name=folder.resolve().name,
        aliases=(),
        family="local",
        summary="A checkpoint of this machine, which the catalog does not list.",
        kind=_kind(folder, template),
        architecture=next(iter(config.architectures), "unknown"),
        model_type=config.model_type,
        license="not stated",
        released="",
        sizes=_sizes(folder),
        precisions=PRECISIONS,
        decodes=_decodes(config),
        context=config.max_position_embeddings,
        sampling=_sampling(_read(folder / "generation_config.json", _Generation)),
        reasoning=switch if switch.switch in template else None,
        tools=next((syntax for sign, syntax in _CALLS.items() if sign in template.lower()), ""),
        stops=(_NEXT_TURN,) if _NEXT_TURN in template else (),
        template="its own" if template else "none: plain text is continued",
        needs="Runs on this machine.",
        obtain="It was named with `--checkpoint`.",
        unverified=("Everything that does not stand in its files.",),
    )


def _kind(folder: Path, template: str) -> Kind:
    if num_outputs(folder):
        return "reward"
    return "chat" if template else "completion"


def name_of(folder: Path) -> str:
    """The folder's name as the id of a model."""
    return _NOT_IN_A_NAME.sub("-", folder.resolve().name.lower()).strip("-.") or "checkpoint"


def _sizes(folder: Path) -> tuple[Size, ...]:
    """Every size that the config describes; where that cannot be used, loading it will tell why."""
    try:
        sizes = (
            Size(
                name=name,
                total_parameters=dimensions.total_parameters,
                active_parameters=dimensions.active_parameters,
                dimensions=dimensions,
            )
            for name, dimensions in folder_dimensions(folder).items()
        )
        return tuple(sizes) or (_UNKNOWN,)
    except ValueError:
        return (_UNKNOWN,)


def _decodes(config: _Config) -> tuple[Decode, ...]:
    """What such a config may offer; the weights have the last word when they are loaded."""
    if config.model_type == "nemotron_labs_diffusion":
        return DECODES
    return ("autoregressive", "self-speculation") if config.num_nextn_predict_layers else ("autoregressive",)


def _sampling(advised: _Generation) -> RecommendedSampling:
    return RecommendedSampling(
        temperature=advised.temperature if advised.do_sample else 0.0,
        top_p=advised.top_p if advised.do_sample else 1.0,
        max_tokens=512,
        source="its generation_config.json" if advised.do_sample else "this project's default",
    )


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def _read(file: Path, kind: type[_Struct]) -> _Struct:
    """The file's content, or what stands for it where there is none that can be used."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return kind()
