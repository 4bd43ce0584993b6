"""Which model of the catalog is in a folder?"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemotron_backend.catalog.dimensions import Attention, Dimensions, FeedForward
from nemotron_backend.catalog.entry import Model
from nemotron_backend.catalog.hybrid import hybrid_dimensions
from nemotron_backend.catalog.resolve import Catalog
from nemotron_backend.model.elastic import FULL, shrink, sizes
from nemotron_backend.model.errors import CheckpointError
from nemotron_backend.model.nemotron_h_config import read_nemotron_h_config
from nemotron_backend.model.reward_config import num_outputs

_HYBRID = "nemotron_h"
_NEMOTRON = "nemotron"


def recognise(folder: Path, catalog: Catalog) -> Model | None:
    """The entry with the config's type, sizes and dimensions; among several the one named like the folder."""
    kind, found = read_model_type(folder), folder_dimensions(folder)
    alike = (model for model in catalog.models if model.model_type == kind and found)
    same = [model for model in alike if _is_of(model, found)]
    named = (model for model in same if folder.name in _folder_names(model))
    return next(named, next(iter(same), None))


def read_model_type(folder: Path) -> str:
    """What config.json calls its architecture; empty where there is nothing to read."""
    return str(_read(folder).get("model_type", ""))


def folder_dimensions(folder: Path) -> Mapping[str, Dimensions]:
    """The dimensions of each size, the whole one's first; none where the config does not tell."""
    if read_model_type(folder) != _HYBRID:
        dense = _dense(_read(folder))
        return {FULL: replace(dense, outputs=num_outputs(folder))} if dense else {}
    with suppress(CheckpointError):
        config = read_nemotron_h_config(folder)
        return {size: hybrid_dimensions(shrink(config, size, folder)) for size in sizes(config)}
    return {}


def _is_of(model: Model, found: Mapping[str, Dimensions]) -> bool:
    """Whether the names of the sizes are the same, and the dimensions as far as the catalog has them."""
    known = {size.name: size.dimensions for size in model.sizes}
    measured = [name for name, dimensions in known.items() if dimensions is not None]
    return known.keys() == found.keys() and bool(measured) and all(known[n] == found[n] for n in measured)


def _folder_names(model: Model) -> set[str]:
    return {model.id, *(checkpoint.repository.rpartition("/")[2] for checkpoint in model.checkpoints)}


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _dense(config: Mapping[str, Any]) -> Dimensions | None:
    """Those of a decoder of alternating attention and feed-forward layers."""
    is_nemotron = config.get("model_type") == _NEMOTRON
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        head_dim = config.get("head_dim") or config.get("kv_channels") or hidden // heads
        return Dimensions(
            pattern="*-",
            repeats=int(config["num_hidden_layers"]),
            hidden=hidden,
            vocabulary=int(config["vocab_size"]),
            is_tied=bool(config.get("tie_word_embeddings", False)),
            has_norm_bias=is_nemotron,
            attention=Attention(
                query_heads=heads,
                key_value_heads=int(config.get("num_key_value_heads") or heads),
                head_dim=int(head_dim),
            ),
            feed_forward=FeedForward(width=int(config["intermediate_size"]), gated=not is_nemotron),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
