"""Which floors do models of the catalog have, as tables in a shell?"""

import sys
from collections.abc import Sequence

from nemotron_backend.catalog import Catalog, UnknownModel
from nemotron_backend.floors.card import CARDS
from nemotron_backend.floors.printed import lines_of

_WRITTEN_FOR = (
    "nemotron-3-nano-30b-a3b",
    "nemotron-labs-3-elastic-30b-a3b",
    "nemotron-3-super-120b-a12b",
    "nemotron-labs-diffusion-8b",
    "nemotron-labs-diffusion-14b",
)


def main(names: Sequence[str]) -> int:
    """Print those of the models named, or of those that the kernels are written for."""
    catalog = Catalog.read()
    try:
        models = [catalog.find(name) for name in names or _WRITTEN_FOR]
    except UnknownModel as unknown:
        print(unknown, file=sys.stderr)
        return 1
    print("Floors: the least time in which the bytes move and the operations run; calculated, not measured.")
    print("One GPU's bandwidth counts, also where a model needs several; 4096 tokens of context.")
    for card in CARDS:
        limits = f"{card.bandwidth / 1e12:.1f} TB/s, {card.rate / 1e12:.0f} TFLOP/s in BF16"
        print(f"{card.name}: {limits} ({card.source})")
    for model in models:
        print("\n".join(lines_of(model)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
