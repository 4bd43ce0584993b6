"""How does one token of each of several sequences pass through a Mamba 2 layer, between its projections?

Convolution, state update, gate and group norm in one call. States that come back are new tensors.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_kernels.native.library import NativeCode
from nemotron_kernels.state_space import HeadParameters

_LANES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaShape:
    """Heads, groups and sizes of a layer."""

    num_heads: int
    head_dim: int
    num_groups: int
    state_size: int
    epsilon: float


class _Layer(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("num_heads", "head_dim", "num_groups", "state_size", "num_taps")
        ),
        ("epsilon", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("taps", "bias", "norm", "a", "d", "dt_bias")),
    ]


class _Rows(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p) for name in ("projected", "taps", "states", "out", "new_taps", "new_states")
    ]


class NativeMamba:
    """A layer; `taps` [channels, K], `bias` [channels] or None, `norm` [inner]."""

    def __init__(
        self,
        code: NativeCode,
        shape: MambaShape,
        convolution: tuple[Tensor, Tensor | None],
        norm: Tensor,
        heads: HeadParameters,
    ) -> None:
        taps, bias = convolution
        own = [taps.T.contiguous(), bias, norm, heads.a, heads.d, heads.dt_bias]
        self._alive = [None if tensor is None else tensor.float().contiguous() for tensor in own]
        self._code = code
        self._inner = shape.num_heads * shape.head_dim
        self._layer = _Layer(
            shape.num_heads,
            shape.head_dim,
            shape.num_groups,
            shape.state_size,
            taps.shape[1],
            shape.epsilon,
            *(None if tensor is None else tensor.data_ptr() for tensor in self._alive),
        )
        self._address = ctypes.addressof(self._layer)

    def step(
        self, projected: Tensor, taps: Sequence[Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Of rows [tokens, gate | x | b | c | dt] and what each remembers: outputs, and what it will."""
        out = projected.new_empty(len(projected), self._inner)
        new_taps = [torch.empty_like(own) for own in taps]
        new_states = [torch.empty_like(own) for own in states]
        tables = [
            _table(rows) for rows in (projected.unbind(), taps, states, out.unbind(), new_taps, new_states)
        ]
        rows = _Rows(*map(ctypes.addressof, tables))
        self._code.mamba_step(self._address, ctypes.addressof(rows), len(projected), torch.get_num_threads())
        return out, new_taps, new_states


def fits(shape: MambaShape) -> bool:
    """Whether every width is made of whole vectors."""
    width = shape.num_heads * shape.head_dim // shape.num_groups
    return shape.state_size % _LANES == 0 and width % _LANES == 0


def _table(rows: Sequence[Tensor]) -> "ctypes.Array[ctypes.c_void_p]":
    return (ctypes.c_void_p * len(rows))(*(row.data_ptr() for row in rows))
