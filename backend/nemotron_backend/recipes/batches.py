"""Which dialogues are learned together in one step?"""

from collections.abc import Iterator, Sized
from itertools import islice
from typing import TypeVar

_POOL = 512
_STRIDE = 7

_Dialogue = TypeVar("_Dialogue", bound=Sized)


def batches(dialogues: Iterator[_Dialogue], num_tokens: int, unit: int = 1) -> Iterator[list[_Dialogue]]:
    """Dialogues of like length, so that little is padding; at most `num_tokens` a batch, padding included.

    Lengths are counted in whole units. Dialogues that are longer than a batch are left out.
    """
    while True:
        pool = sorted(islice(dialogues, _POOL), key=len)
        groups = list(_groups(pool, num_tokens, unit))
        # Interleave short and long batches: sorted ones would teach one length for a hundred steps.
        for start in range(_STRIDE):
            yield from groups[start::_STRIDE]


def _groups(pool: list[_Dialogue], num_tokens: int, unit: int) -> Iterator[list[_Dialogue]]:
    group: list[_Dialogue] = []
    for dialogue in pool:
        length = -(-len(dialogue) // unit) * unit
        if length > num_tokens:
            continue
        if group and (len(group) + 1) * length > num_tokens:
            yield group
            group = []
        group.append(dialogue)
    if group:
        yield group
