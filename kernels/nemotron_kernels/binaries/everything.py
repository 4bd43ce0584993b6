"""How are all builds compiled at once, and shown as they come?"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor

from nemotron_kernels._build import TARGETS, Build, Target
from nemotron_kernels.binaries.binary import Binary
from nemotron_kernels.binaries.compilation import compile_for
from nemotron_kernels.binaries.found import builds_of, name_of
from nemotron_kernels.binaries.table import Row

_Cells = dict[Target, "Future[Binary | str] | str"]


def compile_every(modules: Sequence[str], num_jobs: int | None) -> Iterator[tuple[str, Build, Row]]:
    """Name, build and binaries of every build of these modules, each as soon as those before it are done."""
    # Workers are forked from a process that has loaded Triton and has no threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(num_jobs, context)
    try:
        named = [(module, build) for module in modules for build in builds_of(module)]
        begun = [(module, build, _begin(pool, module, build)) for module, build in named]
        for module, build, cells in begun:
            yield name_of(module, build), build, _row(cells)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(pool: Executor, module: str, build: Build) -> _Cells:
    return {
        target: build.unsupported.get(target) or pool.submit(_compile, module, build.name, target)
        for target in TARGETS
    }


def _row(cells: _Cells) -> Row:
    return {target: cell if isinstance(cell, str) else cell.result() for target, cell in cells.items()}


def _compile(module: str, name: str, target: Target) -> Binary | str:
    """In a worker, which finds the build by its name, since a kernel cannot be sent to it."""
    return compile_for(next(build for build in builds_of(module) if build.name == name), target)
