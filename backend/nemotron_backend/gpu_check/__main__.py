"""How is this machine's GPU checked from a shell?"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from nemotron_backend.catalog import Catalog
from nemotron_backend.floors.card import H100
from nemotron_backend.gpu_check.case import Case
from nemotron_backend.gpu_check.check import checked
from nemotron_backend.gpu_check.measure import COLD_BYTES, limits_of
from nemotron_backend.gpu_check.peers import missing
from nemotron_backend.gpu_check.plan import plan
from nemotron_backend.gpu_check.row import Row, heading, line


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if an op is wrong or fails, else 0, also where nothing can be measured."""
    asked = _parser().parse_args(arguments)
    cases = [case for case in plan(Catalog.read()) if not asked.op or case.floor.op in asked.op]
    rows = []
    with torch.no_grad():
        for row in _rows(cases, asked.seconds):
            rows.append(row)
            print(line(row), flush=True)
    failed = [row for row in rows if row.is_wrong or row.remark.startswith("FAILED")]
    print(f"{sum(row.seconds is not None for row in rows)} of {len(rows)} measured, {len(failed)} failed")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nemotron_backend.gpu_check", description=__doc__)
    parser.add_argument("op", nargs="*", help="ops to check; all of them if none is named")
    parser.add_argument("--seconds", type=float, default=420, help="after which no further row is begun")
    return parser


def _rows(cases: Iterable[Case], seconds: float) -> Iterator[Row]:
    if not torch.cuda.is_available():
        yield from _unmeasured(cases)
        return
    device, end = torch.device("cuda"), time.monotonic() + seconds
    limits = limits_of(device)
    print(
        f"{limits.name}: {limits.bandwidth / 1e12:.2f} TB/s copied, {limits.rate / 1e12:.0f} TFLOP/s in BF16"
    )
    print(f"Floors are of these. At least {COLD_BYTES / 1e6:.0f} MB are read before any is read again.")
    print(*(f"{package} is not installed and not compared" for package in missing()), sep="\n")
    print(heading())
    for case in cases:
        if time.monotonic() > end:
            yield Row(case=case, floor=limits.floor(case.floor), remark="unmeasured: out of time")
        else:
            yield checked(case, limits, device)


def _unmeasured(cases: Iterable[Case]) -> Iterator[Row]:
    print(
        f"No NVIDIA GPU here (torch {torch.__version__}): nothing is measured, floors are an {H100.name}'s."
    )
    print(heading())
    for case in cases:
        floor = H100.seconds(case.floor.num_bytes, case.floor.operations)
        yield Row(case=case, floor=floor, remark="unmeasured: no NVIDIA GPU")


if __name__ == "__main__":
    sys.exit(main())
