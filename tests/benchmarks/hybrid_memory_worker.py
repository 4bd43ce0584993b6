"""A process that opens some networks of a checkpoint and tells what they hold.

`hybrid_memory_worker.py FOLDER LAYOUT SIZES PRECISIONS`, the last two with commas.
"""

import json
import re
import sys
from pathlib import Path
from typing import cast

from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.request import Precision


def _private_bytes() -> int:
    """Memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text("utf-8")
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def _tell(folder: str, layout: str, sizes: str, precisions: str) -> None:
    before = _private_bytes()
    checkpoint = NemotronHCheckpoint.open(Path(folder))
    networks = [
        checkpoint.network(size, cast(Precision, precision), cast(Layout, layout))
        for size in sizes.split(",")
        for precision in precisions.split(",")
    ]
    own = sum(network.num_bytes for network in networks)
    counted = own + checkpoint.num_shared_bytes
    print(json.dumps({"counted": counted, "resident": _private_bytes() - before}))


if __name__ == "__main__":
    _tell(*sys.argv[1:])
