"""Which networks does a nemotron_h folder give: every size in every precision, over one set of weights?"""

from pathlib import Path

from nemotron_backend.model.blocks import check_blocks
from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.elastic import shrink, sizes
from nemotron_backend.model.modelopt import Quantisation
from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors
from nemotron_backend.model.part_reader import PartReader
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.request import PRECISIONS, Precision


class UnavailablePrecision(LookupError):
    """A precision that cannot be made from what the checkpoint stores."""


class NemotronHCheckpoint:
    """One folder; networks are views of the parts that it has read."""

    def __init__(self, tensors: NemotronHTensors) -> None:
        self._tensors = tensors
        self._reader = PartReader(tensors)
        self.config = tensors.config
        self.folder = tensors.folder

    @classmethod
    def open(cls, folder: Path) -> "NemotronHCheckpoint":
        """Check config, names and every size before anything is read. Raises CheckpointError."""
        checkpoint = cls(NemotronHTensors(folder))
        for size in checkpoint.sizes:
            shrink(checkpoint.config, size, folder)
        return checkpoint

    @property
    def sizes(self) -> tuple[str, ...]:
        """The whole network first."""
        return sizes(self.config)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """A plain checkpoint can be rounded to all of them, a quantised one is what it is."""
        stored = self._tensors.quantisation.precision
        return PRECISIONS if stored == "bf16" else (stored,)

    @property
    def num_shared_bytes(self) -> int:
        """Bytes of the weights read so far, which all sizes use together."""
        return self._reader.num_bytes

    def network(self, size: str, precision: Precision) -> NemotronH:
        """A network that shares every matrix. Raises CheckpointError, UnknownSize, UnavailablePrecision."""
        folder, config = self._tensors.folder, self.config
        wanted = self._quantisation(precision)
        kept = shrink(config, size, folder)
        cuts = Cuts(config, kept)
        check_blocks(config, cuts, wanted, folder)
        return NemotronH(kept, self._reader.whole(wanted).cut(cuts))

    def _quantisation(self, precision: Precision) -> Quantisation:
        stored = self._tensors.quantisation
        if precision not in self.precisions:
            made = ", ".join(self.precisions)
            raise UnavailablePrecision(f"{self._tensors.folder} gives {made}, not {precision}")
        return recipe(self.config, precision) if stored.precision == "bf16" else stored
