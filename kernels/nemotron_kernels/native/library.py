"""Is native code to be had here, and what can be called in it?"""

import ctypes
import logging
from functools import cache
from pathlib import Path
from typing import Any

from nemotron_kernels._choice import choice
from nemotron_kernels.native.build import BuildFailed, build, cache_folder
from nemotron_kernels.native.memory import Memory
from nemotron_kernels.native.processor import Variant, features, variant

_log = logging.getLogger(__name__)

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64


class NativeCode:
    """A loaded library. Pointers are addresses of float32 unless a header in `source/` says otherwise."""

    def __init__(self, file: Path) -> None:
        self._library = ctypes.CDLL(str(file))
        self.memory = Memory()
        self.map_rows = self._function("map_rows", _POINTER, _POINTER, _NUMBER, _POINTER, *[_NUMBER] * 3)
        self.grouped_experts = self._function(
            "grouped_experts",
            *[_POINTER] * 3,
            *[_NUMBER] * 2,
            *[_POINTER] * 2,
            _NUMBER,
            _POINTER,
            _NUMBER,
        )

        self.mamba_step = self._function("mamba_step", *[_POINTER] * 2, *[_NUMBER] * 2)
        self.pass_layers = self._function(
            "pass_layers", *[_POINTER] * 2, _NUMBER, *[_POINTER] * 3, *[_NUMBER] * 2
        )

    def _function(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, name)
        function.argtypes, function.restype = arguments, None
        return function


def native_code() -> NativeCode | None:
    """The native code of this machine, unless another path is forced or it cannot be had."""
    asked = choice()
    if asked not in ("cpu", "auto"):
        return None
    found = variant(features())
    if found is None:
        return None
    return _loaded(found, cache_folder())


@cache
def _loaded(found: Variant, folder: Path) -> NativeCode | None:
    """Tried once: without a compiler there will be none at the next layer either."""
    try:
        return NativeCode(build(found, folder))
    except (BuildFailed, OSError) as error:
        _log.warning(
            "weights take more memory and time than they need, as native code was not built: %s", error
        )
        return None
