"""Which networks does a nemotron_h folder give: every size in every precision, over one set of weights?"""

from pathlib import Path

from torch import Tensor

from nemotron_backend.model.blocks import check_blocks
from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.elastic import shrink, sizes
from nemotron_backend.model.inventory import EMBEDDING, inventory, is_linear
from nemotron_backend.model.modelopt import PLAIN, Quantisation
from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_mtp import PredictionBlock, fits_vectors
from nemotron_backend.model.nemotron_h_mtp_tensors import PredictionTensors, can_predict
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors
from nemotron_backend.model.packed import map_bytes, pack, packed_bytes
from nemotron_backend.model.part_reader import PartReader
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.request import PRECISIONS, Decode, Precision
from nemotron_kernels.native import native_code
from nemotron_kernels.quantised_linear import held_bytes


class UnavailablePrecision(LookupError):
    """A precision that cannot be made from what the checkpoint stores."""


class NemotronHCheckpoint:
    """One folder. Networks are views of one set of weights, or packed copies of their part of it."""

    attributes: tuple[str, ...] = ()

    def __init__(self, tensors: NemotronHTensors) -> None:
        self._tensors = tensors
        self._shared: dict[str, Tensor] = {}
        self._reader = PartReader(tensors, self._shared)
        self._block: Parts | None = None
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
    def context(self) -> int:
        return self.config.max_position_embeddings

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def decodes(self, size: str) -> tuple[Decode, ...]:
        """Only a block of its own lets a hybrid draft, and only the whole network was taught with one."""
        return ("autoregressive", "self-speculation") if self._predicts(size) else ("autoregressive",)

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
        return self._reader.num_bytes + (0 if self._block is None else map_bytes(self._block))

    @property
    def num_packed_bytes(self) -> int:
        """All sizes in all precisions; none where native code reads every size where it lies."""
        if native_code() is not None:
            return 0
        configs = (shrink(self.config, size, self.folder) for size in self.sizes)
        shapes = (shape for config in configs for name, shape in inventory(config).items() if is_linear(name))
        return len(self.precisions) * sum(held_bytes(shape) for shape in shapes)

    def network(self, size: str, precision: Precision, layout: Layout = "views") -> NemotronH:
        """One of the networks; `packed` ones are copies, about twice as fast at one token.

        One that predicts is packed whatever is asked for, as only those give a token the same bits alone
        and among others. Native code does so too, and copies nothing.
        Raises CheckpointError, UnknownSize, UnavailablePrecision.
        """
        folder, config = self._tensors.folder, self.config
        wanted = self._quantisation(precision)
        kept = shrink(config, size, folder)
        cuts = Cuts(config, kept)
        check_blocks(config, cuts, wanted, folder)
        predicts = self._predicts(size)
        if layout == "views" and not predicts:
            return NemotronH(kept, self._reader.whole(wanted).cut(cuts))
        # A reader of its own lets go of the float32 matrices once they are packed.
        own = PartReader(self._tensors, self._shared)
        reader = own if native_code() is None else self._reader
        parts = pack(reader.whole(wanted).cut(cuts))
        return NemotronH(kept, parts, packed_bytes(parts), self._prediction(parts) if predicts else None)

    def _predicts(self, size: str) -> bool:
        return size == self.sizes[0] and can_predict(self._tensors) and fits_vectors(self.config)

    def _prediction(self, parts: Parts) -> PredictionBlock:
        source = PredictionTensors(self._tensors)
        if self._block is None:
            self._block = pack(PartReader(source, {}).whole(PLAIN).whole())
        return PredictionBlock(source.config, self._block, parts.tensors[EMBEDDING])

    def _quantisation(self, precision: Precision) -> Quantisation:
        stored = self._tensors.quantisation
        if precision not in self.precisions:
            made = ", ".join(self.precisions)
            raise UnavailablePrecision(f"{self._tensors.folder} gives {made}, not {precision}")
        return recipe(self.config, precision) if stored.precision == "bf16" else stored
