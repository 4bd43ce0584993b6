"""How does training see what a precision does to the weights?

For one step the weights are replaced by what the checkpoint's recipe would round them to; the gradients
found there move the exact weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nemotron_backend.model.modelopt import Quantisation
from nemotron_backend.model.stored_weight import StoredWeight, quantise
from nemotron_backend.recipes.elastic.network import Elastic
from nemotron_backend.request import Precision


@contextmanager
def rounded(model: Elastic, wanted: Quantisation) -> Iterator[None]:
    """Inside, the weights are rounded; after it they are as exact as before."""
    exact = {name: parameter.data for name, parameter in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            parameter.data = _rounded(name, parameter.data, wanted)
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.data = exact[name]


def _rounded(name: str, weight: Tensor, wanted: Quantisation) -> Tensor:
    precision = wanted.of(name.removesuffix(".weight"))
    if not name.removesuffix(".weight").endswith("_proj") or precision == "bf16":
        return weight
    if weight.ndim == 3:
        return torch.stack([_values(matrix, precision) for matrix in weight])
    return _values(weight, precision)


def _values(weight: Tensor, precision: Precision) -> Tensor:
    stored: StoredWeight = quantise(weight, precision)
    values, scale = stored.numbers()
    return values if scale is None else values * scale
