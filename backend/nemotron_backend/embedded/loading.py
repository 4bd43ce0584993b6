"""How does a checkpoint become something that can be served?"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.vocabulary import UnknownDecoder, Vocabulary
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.draft_adapter import FOLDER
from nemotron_backend.model.errors import CheckpointError
from nemotron_backend.model.load import Checkpoint
from nemotron_backend.model.network import Network
from nemotron_backend.request import Precision
from nemotron_backend.smollm2 import PreparationFailed, Report, default_cache_folder, prepare

_log = logging.getLogger(__name__)


class StartError(Exception):
    """The checkpoint cannot be served; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """An opened checkpoint with its vocabulary."""

    folder: Path
    context: int
    vocab_size: int
    num_shared_bytes: int
    vocabulary: Vocabulary
    make: Callable[[Precision], Network]


def load(options: EmbeddedOptions, report: Report) -> LoadedModel:
    """Prepare and open the checkpoint, telling how far it is. Raises StartError."""
    try:
        folder = _prepare(options, report)
        report(f"loading {options.model}", None)
        return _open(folder, options)
    except (PreparationFailed, CheckpointError, UnknownDecoder, OSError, KeyError, ValueError) as error:
        raise StartError(f"{options.model} cannot be loaded: {error}") from error


def _prepare(options: EmbeddedOptions, report: Report) -> Path:
    cache_folder = Path(options.cache_folder) if options.cache_folder else default_cache_folder()
    given = Path(options.checkpoint) if options.checkpoint else None
    if given is not None and not given.is_dir():
        raise StartError(f"the checkpoint {given} is not a folder")
    return prepare(cache_folder, report, given=given)


def _open(folder: Path, options: EmbeddedOptions) -> LoadedModel:
    checkpoint = open_checkpoint(folder)
    _check_decodes(checkpoint, options)
    own, context = checkpoint.config.context, options.context
    return LoadedModel(
        folder=folder,
        context=min(context, own) if context else own,
        vocab_size=checkpoint.config.vocab_size,
        num_shared_bytes=checkpoint.num_shared_bytes,
        vocabulary=Vocabulary.read(folder),
        make=checkpoint.network,
    )


def _check_decodes(checkpoint: Checkpoint, options: EmbeddedOptions) -> None:
    """Refuse modes that the network lacks, and tell what a mode lacks that works without it."""
    drafting = checkpoint.drafting
    if drafting is None and options.decodes != ("autoregressive",):
        raise StartError(f"{options.model} has no masks to fill in, so it decodes from left to right only")
    if drafting is not None and not drafting.corrections:
        _log.warning(
            "the checkpoint has no draft adapter %s: self-speculation drafts with the plain network, "
            "of which less is accepted, so answers are the same and take longer",
            FOLDER,
        )
