"""Which model of the catalog is in a folder?"""

import json
from pathlib import Path
from typing import Any

from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.catalog.entry import Model
from nemotron_backend.catalog.resolve import Catalog

_LOCAL = "local"


def recognise(folder: Path, catalog: Catalog) -> Model | None:
    """The entry with the config's type and dimensions; else the local model of that type; else None."""
    config = _read(folder / "config.json")
    alike = [model for model in catalog.models if model.model_type == config.get("model_type")]
    same = (model for model in alike if any(_is_of(size.dimensions, config) for size in model.sizes))
    local = (model for model in alike if model.family == _LOCAL)
    return next(same, next(local, None))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_of(dimensions: Dimensions | None, config: dict[str, Any]) -> bool:
    """Whether a dense decoder has these dimensions."""
    if dimensions is None or dimensions.attention is None or dimensions.feed_forward is None:
        return False
    wanted = {
        "hidden_size": dimensions.hidden,
        "vocab_size": dimensions.vocabulary,
        "num_hidden_layers": dimensions.repeats,
        "intermediate_size": dimensions.feed_forward.width,
        "num_attention_heads": dimensions.attention.query_heads,
    }
    return all(config.get(name) == value for name, value in wanted.items())
