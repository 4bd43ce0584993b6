"""How does a build become machine code where there is no GPU?"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.errors import CompilationError
from triton.runtime.errors import PTXASError

from nemotron_kernels._build import Build, Target
from nemotron_kernels.binaries.binary import REFUSED, Binary, has_stack, read

_WARP = 32
_ALIGNED = [["tt.divisibility", 16]]


def compile_for(build: Build, target: Target) -> Binary | str:
    """What the machine code needs, or what the compiler has against it."""
    if odd := _odd_names(build):
        return f"{REFUSED}: arguments that are wrong, twice or missing: {' '.join(odd)}"
    try:
        return _compiled(build, target)
    except (CompilationError, PTXASError, RuntimeError) as refused:  # the last from MLIR's passes
        return f"{REFUSED}: {refused}"


def _compiled(build: Build, target: Target) -> Binary:
    gpu = GPUTarget("cuda", int(target.removeprefix("sm_")), _WARP)
    options = {"num_warps": build.num_warps, "num_stages": build.num_stages, "enable_fp_fusion": True}
    compiled = triton.compile(_source(build), target=gpu, options=options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(compiled.asm["cubin"])
        resources = _run(knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(path))
        # Starting the disassembler takes as long as compiling a small kernel.
        needs_it = has_stack(resources) or "mma" in compiled.asm["ptx"]
        machine_code = _run(knobs.nvidia.nvdisasm.path, "-c", str(path)) if needs_it else None
    return read(resources, machine_code, compiled.metadata.shared)


def _source(build: Build) -> ASTSource:
    names: list[str] = build.kernel.arg_names
    signature = {name: build.signature.get(name, "constexpr") for name in names}
    constants = {(names.index(name),): value for name, value in build.constants.items()}
    aligned = [name for name, kind in signature.items() if kind.startswith("*") or name in build.divisible]
    attributes: dict[Any, Any] = {(names.index(name),): _ALIGNED for name in aligned}
    return ASTSource(build.kernel, signature, constants, attributes)


def _odd_names(build: Build) -> list[str]:
    names, given = build.kernel.arg_names, [*build.signature, *build.constants]
    twice = {name for name in given if given.count(name) > 1}
    return sorted(twice | {*given} ^ {*names} | {*build.divisible} - {*build.signature})


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
