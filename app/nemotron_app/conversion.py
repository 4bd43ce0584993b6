"""What do `nemotron-playground extract` and `quantize` say and do?"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

_Progress = Callable[[int, int], None]


def add_extract(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags of `extract`."""
    parser = commands.add_parser("extract", help="write one elastic size as a checkpoint of its own")
    _add_folders(parser)
    parser.add_argument("--size", required=True, help="which size, as in 12b")


def add_quantize(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags of `quantize`."""
    parser = commands.add_parser("quantize", help="write a nemotron_h checkpoint in FP8 or NVFP4")
    _add_folders(parser)
    parser.add_argument("--precision", required=True, choices=("fp8", "nvfp4"))


def extract_size(given: argparse.Namespace) -> int:
    """Run `extract`."""
    from nemotron_backend.model.extract import extract

    return _write(given.out, lambda progress: extract(given.checkpoint, given.size, given.out, progress))


def quantize_checkpoint(given: argparse.Namespace) -> int:
    """Run `quantize`."""
    from nemotron_backend.model.quantize import quantize

    return _write(
        given.out, lambda progress: quantize(given.checkpoint, given.precision, given.out, progress)
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="folder of a nemotron_h checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, new or empty")


def _write(out: Path, convert: Callable[[_Progress], None]) -> int:
    """Convert under a progress bar, and tell what was written or in one line why nothing was."""
    from tqdm import tqdm

    from nemotron_backend.model.elastic import UnknownSize
    from nemotron_backend.model.errors import CheckpointError

    try:
        # Of itself the bar is drawn on terminals alone.
        with tqdm(unit=" tensors", disable=None, leave=False) as bar:
            convert(lambda done, total: _show(bar, done, total))
    except (CheckpointError, UnknownSize, OSError) as error:
        print(f"nemotron-playground: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    files = [file for file in out.iterdir() if file.is_file()]
    size = _in_units(sum(file.stat().st_size for file in files))
    print(f"{out}: {len(files)} files, {size}. Serve it: nemotron-playground serve --checkpoint {out}")
    return 0


def _show(bar: "tqdm[None]", done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _in_units(num_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"
