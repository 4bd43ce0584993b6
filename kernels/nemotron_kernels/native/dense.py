"""How do tokens pass through all layers of a Llama-type network in one call?

Each layer adds output(attention(qkv(norm(x)))) and then down(silu(gate(norm(x))) * up(norm(x))) to the hidden
rows. Queries and keys are turned in pairs of neighbours. Calls of torch for the small operations between the
maps would take as long as the maps of a small network.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nemotron_kernels.native.library import NativeCode
from nemotron_kernels.native.linear import NativeLinear

_LANES = 16
_LARGEST_HEAD = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseShape:
    """Of a layer; `rotary_dim` numbers of each head are turned."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    rotary_dim: int
    hidden_size: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """The maps of one layer, and its norms, float32 [hidden]."""

    attention_norm: Tensor
    qkv: NativeLinear
    output: NativeLinear
    mlp_norm: Tensor
    gate_up: NativeLinear
    down: NativeLinear


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Rows of a batch that belong to one sequence, behind `held` tokens in its caches.

    `stores` has, for each layer, float32 [2, 1, kv_heads, capacity, head_dim]: keys, then values. A causal
    run is written there. Otherwise its rows are groups, each of which sees itself, and one more token of the
    cache than the group before it.
    """

    start: int
    length: int
    held: int
    is_causal: bool
    num_groups: int
    stores: Sequence[Tensor]


class _Layer(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p) for name in ("qkv", "output", "gate_up", "down", "attention_norm", "mlp_norm")
    ]


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("num_heads", "num_kv_heads", "head_dim", "rotary_dim")),
        *((name, ctypes.c_int64) for name in ("num_layers", "hidden_size", "inner_size")),
        ("epsilon", ctypes.c_double),
        ("layers", ctypes.c_void_p),
    ]


class _Sequence(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("start", "length", "held", "is_causal", "num_groups", "capacity")
        ),
        ("caches", ctypes.c_void_p),
    ]


class DenseLayers:
    """All layers of a network."""

    def __init__(self, code: NativeCode, shape: DenseShape, layers: Sequence[DenseLayer]) -> None:
        self._code = code
        self._alive = tuple(layers)
        self._table = (_Layer * len(layers))(*(_described(layer) for layer in layers))
        self._network = _Network(
            shape.num_heads,
            shape.num_kv_heads,
            shape.head_dim,
            shape.rotary_dim,
            len(layers),
            shape.hidden_size,
            layers[0].down.shape[1],
            shape.epsilon,
            ctypes.addressof(self._table),
        )
        self._address = ctypes.addressof(self._network)

    def __call__(
        self, hidden: Tensor, runs: Sequence[Run], turns: Tensor, query_scale: Tensor | None
    ) -> None:
        """Bring `hidden` [tokens, hidden] behind the last layer, and the caches of causal runs up to date.

        `turns` are unit complex numbers [tokens, rotary_dim / 2], `query_scale` float32 [tokens].
        """
        stores = [_addresses(run.stores) for run in runs]
        described = (_Sequence * len(runs))(*map(_sequence, runs, stores))
        self._code.pass_layers(
            self._address,
            ctypes.addressof(described),
            len(runs),
            turns.data_ptr(),
            None if query_scale is None else query_scale.data_ptr(),
            hidden.data_ptr(),
            len(hidden),
            torch.get_num_threads(),
        )


def fits(shape: DenseShape, inner_size: int) -> bool:
    """Whether every width is made of whole vectors."""
    widths = (shape.head_dim, shape.hidden_size, inner_size)
    return not any(width % _LANES for width in widths) and shape.head_dim <= _LARGEST_HEAD


def _described(layer: DenseLayer) -> _Layer:
    maps = (layer.qkv, layer.output, layer.gate_up, layer.down)
    norms = (layer.attention_norm, layer.mlp_norm)
    return _Layer(*(linear.address for linear in maps), *(norm.data_ptr() for norm in norms))


def _addresses(stores: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(stores))(*(store.data_ptr() for store in stores))


def _sequence(run: Run, stores: Any) -> _Sequence:
    capacity = run.stores[0].shape[3]
    return _Sequence(
        run.start,
        run.length,
        run.held,
        run.is_causal,
        run.num_groups,
        capacity,
        ctypes.addressof(stores),
    )
