"""How does a checkpoint become something that can be served?"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from nemotron_backend.embedded.machine_memory import memory_bytes
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions, WeightsLayout
from nemotron_backend.embedded.vocabulary import UnknownDecoder, Vocabulary
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.checkpoint import Checkpoint, Layout, Packable
from nemotron_backend.model.errors import CheckpointError
from nemotron_backend.model.nemo_format import refuse_nemo
from nemotron_backend.model.network import Network
from nemotron_backend.request import DECODES, Precision, Variant
from nemotron_backend.smollm2 import PreparationFailed, Report, default_cache_folder, prepare

_log = logging.getLogger(__name__)

_LARGEST_SHARE = 1 / 8  # of the machine's memory, for the packed copies of one model


class StartError(Exception):
    """The checkpoint cannot be served; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """An opened checkpoint with its vocabulary; `offer` is what was wanted of it, as far as it has it."""

    offer: ModelOptions
    folder: Path
    context: int
    layout: Layout
    checkpoint: Checkpoint
    vocabulary: Vocabulary

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is served, in order of preference: not every size has every decode mode."""
        return tuple(v for v in self.offer.variants if v.decode in self.checkpoint.decodes(v.size))

    def network(self, size: str, precision: Precision) -> Network:
        """One of its networks. Raises CheckpointError."""
        return self.checkpoint.network(size, precision, self.layout)


def load(model: ModelOptions, options: EmbeddedOptions, report: Report) -> LoadedModel:
    """Prepare and open a checkpoint, telling how far it is. Raises StartError."""
    try:
        folder = _prepare(model, options, report)
        report(f"loading {model.model}", None)
        return _open(folder, model, options)
    except (PreparationFailed, CheckpointError, UnknownDecoder, OSError, KeyError, ValueError) as error:
        raise StartError(str(error)) from error


def _prepare(model: ModelOptions, options: EmbeddedOptions, report: Report) -> Path:
    cache_folder = Path(options.cache_folder) if options.cache_folder else default_cache_folder()
    given = Path(model.checkpoint) if model.checkpoint else None
    if given is not None and not given.is_dir():
        raise StartError(f"the checkpoint {given} is not a folder")
    if given is not None:
        refuse_nemo(given)
    return prepare(cache_folder, report, given=given)


def _open(folder: Path, model: ModelOptions, options: EmbeddedOptions) -> LoadedModel:
    adapter = Path(model.adapter) if model.adapter else None
    checkpoint = open_checkpoint(folder, adapter, is_reward=model.is_reward)
    own, context = checkpoint.context, options.context
    return LoadedModel(
        offer=_offer(checkpoint, model, folder),
        folder=folder,
        context=min(context, own) if context else own,
        layout=layout_of(checkpoint, options.layout),
        checkpoint=checkpoint,
        vocabulary=Vocabulary.read(folder),
    )


def _offer(checkpoint: Checkpoint, model: ModelOptions, folder: Path) -> ModelOptions:
    """The wanted variants that the checkpoint has. Raises StartError where there are none."""
    able = {decode for size in checkpoint.sizes for decode in checkpoint.decodes(size)}
    decodes = tuple(decode for decode in DECODES if decode in able)
    return replace(
        model,
        sizes=_both("sizes", model.sizes, checkpoint.sizes, folder),
        precisions=_both("precisions", model.precisions, checkpoint.precisions, folder),
        decodes=_both("decode modes", model.decodes, decodes, folder),
    )


_Word = TypeVar("_Word", bound=str)


def _both(kind: str, wanted: tuple[_Word, ...], there: tuple[_Word, ...], folder: Path) -> tuple[_Word, ...]:
    both = tuple(word for word in wanted if word in there)
    if not both:
        raise StartError(
            f"{folder / 'config.json'}: the checkpoint has the {kind} {', '.join(there)}, "
            f"none of {', '.join(wanted)}, which the catalog knows. "
            "Name them alike, or take the checkpoint that the catalog describes."
        )
    if lacking := [word for word in wanted if word not in there]:
        _log.warning("%s lacks the %s %s, so they are not served", folder, kind, ", ".join(lacking))
    return both


def layout_of(checkpoint: Packable, wanted: WeightsLayout) -> Layout:
    """How the sizes of a checkpoint are held."""
    if wanted != "auto":
        return wanted
    return "packed" if checkpoint.num_packed_bytes <= _LARGEST_SHARE * memory_bytes() else "views"
