"""How are linear layers checked?"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.floors import Call, Load
from nemotron_backend.floors.call import WEIGHT_BYTES, product
from nemotron_backend.gpu_check.case import Case, Trial, each
from nemotron_backend.gpu_check.peers import scaled_peers
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels.elastic_linear import elastic_linear, mixed_linear
from nemotron_kernels.fp8 import dequantise as of_fp8
from nemotron_kernels.fp8 import quantise as to_fp8
from nemotron_kernels.nvfp4 import dequantise as of_nvfp4
from nemotron_kernels.nvfp4 import quantise as to_nvfp4
from nemotron_kernels.quantised_linear import linear

_FLOAT32 = 4

Shape = tuple[int, int]
"""Outputs and inputs."""


def linear_cases(name: str, shape: Shape, rows: int) -> Iterator[Case]:
    """One matrix in every precision."""
    for precision in PRECISIONS:
        yield linear_case(name, shape, rows, precision)


def linear_case(name: str, shape: Shape, rows: int, precision: Precision) -> Case:
    floor = product(name, shape, Load(precision=precision, batch=rows), precision)
    return Case(
        title=f"{floor.name}, {rows} rows",
        precision=precision,
        floor=replace(floor, op="quantised_linear"),
        trials=each(lambda tensors: _linear(tensors, precision, shape, rows)),
    )


def rounded_cases(name: str, shape: Shape, rows: int) -> Iterator[Case]:
    """The same with inputs rounded to the weight's format, so that both meet in the tensor cores."""
    for precision in PRECISIONS[1:]:
        yield _rounded_case(linear_case(name, shape, rows, precision), shape, rows, precision)


def rounding_cases(shape: Shape) -> Iterator[Case]:
    """Weights on their way into a format, and back."""
    yield _rounding_case("fp8", shape, lambda weight: of_fp8(to_fp8(weight)))
    yield _rounding_case("nvfp4", shape, lambda weight: of_nvfp4(to_nvfp4(weight)))


def _rounded_case(case: Case, shape: Shape, rows: int, precision: Precision) -> Case:
    trials = each(lambda tensors: _rounded(tensors, precision, shape, rows))
    return replace(case, title=f"{case.title}, inputs alike", trials=trials)


def _rounding_case(precision: Precision, shape: Shape, round_trip: Callable[[Tensor], Tensor]) -> Case:
    passed = shape[0] * shape[1] * (_FLOAT32 + WEIGHT_BYTES[precision])
    name = f"there and back, {shape[0]}x{shape[1]}"
    return Case(
        title=name,
        precision=precision,
        floor=Call(op=precision, name=name, weights=2 * passed),
        trials=each(lambda tensors: _round_trip(tensors, shape, round_trip)),
    )


def mixed_case(name: str, sizes: tuple[Shape, ...], rows: int, precision: Precision) -> Case:
    """Rows of all sizes in one launch; the first size is the whole matrix."""
    floor = product(name, sizes[0], Load(precision=precision, batch=rows), precision)
    return Case(
        title=f"{floor.name}, {rows} rows of {len(sizes)} sizes",
        precision=precision,
        floor=replace(floor, op="elastic_linear"),
        trials=each(lambda tensors: _mixed(tensors, precision, sizes, rows)),
    )


def _linear(tensors: Tensors, precision: Precision, shape: Shape, rows: int) -> Trial:
    outputs, inputs = shape
    x, weight = tensors.normal(rows, inputs), tensors.weight(precision, outputs, inputs)
    plain = tensors.normal(outputs, inputs)
    return Trial(run=lambda: linear(x, weight), peers={"cuBLAS in bf16": lambda: F.linear(x, plain)})


def _rounded(tensors: Tensors, precision: Precision, shape: Shape, rows: int) -> Trial:
    outputs, inputs = shape
    x, weight = tensors.normal(rows, inputs), tensors.weight(precision, outputs, inputs)
    # Four deviations are the largest code, times the largest block scale where there are some.
    scale = tensors.number(4 / 448 if precision == "fp8" else 4 / (6 * 448))
    return Trial(run=lambda: linear(x, weight, scale), peers=scaled_peers(x, weight, scale))


def _round_trip(tensors: Tensors, shape: Shape, round_trip: Callable[[Tensor], Tensor]) -> Trial:
    weight = tensors.normal(*shape, dtype=torch.float32)
    return Trial(run=lambda: round_trip(weight))


def _mixed(tensors: Tensors, precision: Precision, sizes: tuple[Shape, ...], rows: int) -> Trial:
    outputs, inputs = sizes[0]
    x, weight = tensors.normal(rows, inputs), tensors.weight(precision, outputs, inputs)
    own = torch.tensor(sizes, dtype=torch.int32, device=tensors.device)
    limits = own.repeat_interleave(-(-rows // len(sizes)), dim=0)[:rows].contiguous()
    parts = x.tensor_split(len(sizes))
    return Trial(
        run=lambda: mixed_linear(x, weight, limits),
        peers={"a launch a size": lambda: list(map(elastic_linear, parts, [weight] * len(sizes), sizes))},
    )
