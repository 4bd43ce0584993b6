"""How does the whole process use one implementation of the kernels for a while?"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "NEMOTRON_KERNELS"


@contextmanager
def forced(choice: str) -> Iterator[None]:
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = choice
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
