"""How much memory may this process come to use?"""

import os
from contextlib import suppress
from pathlib import Path

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes(container_limit: Path = _CONTAINER_LIMIT) -> int:
    """The machine's, or the container's where that has a limit."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        return min(physical, int(container_limit.read_text("ascii")))
    return physical
