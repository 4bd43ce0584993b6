"""How does a nested size become a checkpoint of its own?

The same strips that a view looks at are copied out, in the precision that is stored. Multi-token
prediction is left out where the size is smaller than the whole: it was trained on the whole.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from nemotron_backend.model.blocks import check_blocks
from nemotron_backend.model.checkpoint_writer import CheckpointWriter
from nemotron_backend.model.conversion_source import open_source
from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.elastic import NESTED_FIELDS, shrink
from nemotron_backend.model.inventory import PREDICTION, inventory, is_linear
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors, module
from nemotron_backend.model.stored_weight import cut_tensor

Progress = Callable[[int, int], None]
_QUANTISATION = "hf_quant_config.json"


def extract(checkpoint: Path, size: str, out: Path, progress: Progress) -> None:
    """Write one size as a Hugging Face checkpoint; `progress` gets tensors done and in all.

    Raises CheckpointError, UnknownSize, FileExistsError.
    """
    source = open_source(checkpoint, "It holds one size, and can be served as it is.")
    kept = shrink(source.config, size, checkpoint)
    cuts = Cuts(source.config, kept)
    check_blocks(source.config, cuts, source.quantisation, checkpoint)
    is_whole = kept.hidden_size == source.config.hidden_size and inventory(kept) == source.shapes
    with CheckpointWriter(out) as writer:
        writer.add_json("config.json", _config(checkpoint, kept, is_whole))
        if (checkpoint / _QUANTISATION).exists():
            writer.add_json(_QUANTISATION, json.loads((checkpoint / _QUANTISATION).read_text()))
        writer.copy_rest(checkpoint)
        aside = [name for name in source.set_aside if is_whole or not name.startswith(PREDICTION)]
        names = [*inventory(kept), *aside]
        for done, tensors in enumerate(_strips(source, names, cuts), start=1):
            writer.add(tensors)
            progress(done, len(names))


def _strips(source: NemotronHTensors, names: list[str], cuts: Cuts) -> Iterator[dict[str, Tensor]]:
    for name in names:
        if name not in source.shapes:
            yield {name: source.tensor(name)}
        elif is_linear(name):
            rows, columns = cuts.of(name)
            held = source.stored(name).cut(rows, columns).tensors()
            yield {f"{module(name)}.{part}": tensor for part, tensor in held.items()}
        else:
            yield {name: cut_tensor(source.tensor(name), cuts.of(name))}


def _config(checkpoint: Path, kept: NemotronHConfig, is_whole: bool) -> dict[str, Any]:
    file: dict[str, Any] = json.loads((checkpoint / "config.json").read_text())
    file.pop("elastic_sizes", None)
    # Released configs repeat the expert width as intermediate_size where there is no dense layer.
    is_repeated = file.get("intermediate_size") == file.get("moe_intermediate_size")
    file |= {name: getattr(kept, name) for name in NESTED_FIELDS if name in file}
    if is_repeated and "mlp" not in kept.layers:
        file["intermediate_size"] = kept.moe_intermediate_size
    if not is_whole:
        file["num_nextn_predict_layers"] = 0
    return file
