"""Which builds are there?"""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nemotron_kernels
from nemotron_kernels._build import Build


def modules() -> Iterator[str]:
    """Names of the modules that list builds; others stay unloaded, since some need what is missing here."""
    prefix = f"{nemotron_kernels.__name__}."
    for module in pkgutil.walk_packages(nemotron_kernels.__path__, prefix):
        spec = find_spec(module.name)
        if spec and spec.origin and "\nBUILDS" in Path(spec.origin).read_text("utf-8"):
            yield module.name


def builds_of(module: str) -> tuple[Build, ...]:
    builds: tuple[Build, ...] = importlib.import_module(module).BUILDS
    return builds


def name_of(module: str, build: Build) -> str:
    """`state_update/float32`, without the op's name again."""
    op = op_of(module)
    return f"{op}/{build.name.removeprefix(op).strip(' _') or 'kernel'}"


def op_of(module: str) -> str:
    """`state_update` of `nemotron_kernels.state_update.kernel`."""
    return module.removeprefix(f"{nemotron_kernels.__name__}.").partition(".")[0]
