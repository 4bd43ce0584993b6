"""How does a bfloat16 checkpoint become one in ModelOpt's FP8 or NVFP4 layout?

Every linear layer of the recipe is rounded by itself and everything else is copied; nested sizes stay
nested. Inputs are not calibrated: input_scale is 1, which leaves FP8 inputs up to 448 and NVFP4 inputs up
to 2688 in range for engines that round activations too. The networks here do not.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nemotron_backend.model.checkpoint_writer import CheckpointWriter
from nemotron_backend.model.conversion_source import open_source
from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.model.inventory import is_linear
from nemotron_backend.model.modelopt import Quantisation, hf_quant_config, quantization_config
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors, module
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.request import Precision

Progress = Callable[[int, int], None]
_ROUNDED_WHEN_SERVED = (
    "Serve the folder as it is: its weights are rounded to FP8 or NVFP4 when a request asks."
)


def quantize(checkpoint: Path, precision: Precision, out: Path, progress: Progress) -> None:
    """Write the checkpoint in a precision; `progress` gets tensors done and in all.

    Raises CheckpointError, FileExistsError.
    """
    source = open_source(checkpoint, _ROUNDED_WHEN_SERVED)
    if source.quantisation.precision != "bf16":
        problem = f"the weights are {source.quantisation.precision} already"
        raise UnsupportedConfig(checkpoint / "config.json", problem, "Quantise the bfloat16 checkpoint.")
    wanted = recipe(source.config, precision)
    config = json.loads((checkpoint / "config.json").read_text())
    with CheckpointWriter(out) as writer:
        writer.copy_rest(checkpoint)
        if precision != "bf16":
            config["quantization_config"] = quantization_config(wanted)
            writer.add_json("hf_quant_config.json", hf_quant_config(wanted))
        writer.add_json("config.json", config)
        names = [*source.shapes, *source.set_aside]
        for done, tensors in enumerate(_rounded(source, names, wanted), start=1):
            writer.add(tensors)
            progress(done, len(names))


def _rounded(source: NemotronHTensors, names: list[str], wanted: Quantisation) -> Iterator[dict[str, Tensor]]:
    for name in names:
        if name not in source.shapes or not is_linear(name):
            yield {name: source.tensor(name)}
            continue
        stored = source.quantised(name, wanted)
        if not isinstance(stored.content, Tensor):
            stored = replace(stored, input_scale=torch.ones(()))
        yield {f"{module(name)}.{part}": tensor for part, tensor in stored.tensors().items()}
