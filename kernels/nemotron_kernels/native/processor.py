"""Which variant of the native code does this processor run?"""

import platform
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_BASE = ("avx2", "fma", "f16c", "bmi2")
_SHORT = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vbmi", "avx512bf16")
# The kernel's names for what compilers spell without an underscore.
_LISTED = {"avx512vbmi": "avx512vbmi", "avx512bf16": "avx512_bf16"}


@dataclass(frozen=True, slots=True)
class Variant:
    """Instructions to compile for, and whether they hold products of bfloat16."""

    name: str
    instructions: tuple[str, ...]
    has_short_products: bool = False

    @property
    def flags(self) -> list[str]:
        """What a compiler is told."""
        defined = ["-DHAS_SHORT_PRODUCTS"] if self.has_short_products else []
        return [f"-m{instruction}" for instruction in self.instructions] + defined


AVX2 = Variant("avx2", _BASE)
AVX512 = Variant("avx512", _BASE + _SHORT, has_short_products=True)


def variant(listed: Collection[str]) -> Variant | None:
    """The best for a processor with these features, or None for one that has not even AVX2."""
    for best in (AVX512, AVX2):
        if all(_LISTED.get(instruction, instruction) in listed for instruction in best.instructions):
            return best
    return None


def features() -> frozenset[str]:
    """What Linux says of this processor; nothing elsewhere."""
    info = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not info.exists():
        return frozenset()
    lines = info.read_text("utf-8").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
