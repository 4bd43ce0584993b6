"""How is the table of binaries checked and renewed from a shell?"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import triton

import nemotron_kernels
from nemotron_kernels._choice import is_interpreted
from nemotron_kernels.binaries.everything import compile_every
from nemotron_kernels.binaries.found import modules, op_of
from nemotron_kernels.binaries.regression import broken_promises, regressions
from nemotron_kernels.binaries.summary import renew
from nemotron_kernels.binaries.table import Row, Table, heading, load, save, shown

_TABLE = Path(nemotron_kernels.__path__[0]).parent / "binaries.json"


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if is_interpreted():
        return _refuse("nothing is compiled under TRITON_INTERPRET; unset it")
    chosen = [name for name in modules() if not asked.op or op_of(name) in asked.op]
    if not chosen:
        return _refuse(f"no kernel of {' '.join(asked.op)}")
    found, broken = _compile(chosen, asked.jobs)
    if not asked.write:
        worse = [*broken, *regressions(_part(asked.table, found, not asked.op), found)]
        return _refuse(*worse, "if this is meant: --write") if worse else 0
    if broken:
        return _refuse(*broken)
    whole = replace(found, rows={**_others(asked.table, found, not asked.op), **found.rows})
    save(whole, asked.table)
    document = asked.table.with_name("README.md")
    if document.exists():
        renew(document, whole)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nemotron_kernels.binaries", description=__doc__)
    parser.add_argument("op", nargs="*", help="folders of ops; all of them if none is named")
    parser.add_argument("--write", action="store_true", help="renew the table instead of comparing")
    parser.add_argument("--table", type=Path, default=_TABLE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    return parser


def _compile(chosen: Sequence[str], num_jobs: int) -> tuple[Table, list[str]]:
    rows: dict[str, Row] = {}
    broken: list[str] = []
    print(heading(), flush=True)
    for name, build, row in compile_every(chosen, num_jobs):
        if name in rows:
            raise ValueError(f"two builds are called {name}")
        rows[name] = row
        broken.extend(broken_promises(name, build, row))
        print(shown(name, row), flush=True)
    return Table(triton=triton.__version__, rows=rows), broken


def _part(path: Path, found: Table, is_whole: bool) -> Table:
    """What the kept table says of the ops that were compiled."""
    kept = load(path)
    others = _others(path, found, is_whole)
    return replace(kept, rows={name: row for name, row in kept.rows.items() if name not in others})


def _others(path: Path, found: Table, is_whole: bool) -> dict[str, Row]:
    """Rows that the kept table has of ops that were not compiled, as none is if all were."""
    if is_whole or not path.exists():
        return {}
    ops = {name.partition("/")[0] for name in found.rows}
    return {name: row for name, row in load(path).rows.items() if name.partition("/")[0] not in ops}


def _refuse(*lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
