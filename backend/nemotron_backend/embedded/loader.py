"""How do several models come up, each as soon as it can?"""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from nemotron_backend.embedded.loading import LoadedModel, StartError, load
from nemotron_backend.embedded.messages import LoadFailed, Message, Progress, Ready
from nemotron_backend.embedded.networks import Networks
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.embedded.progress import ProgressReport
from nemotron_backend.model.errors import CheckpointError

_log = logging.getLogger(__name__)

Outcome = Ready | LoadFailed


class Loader:
    """Loads all models in a thread of its own, those that are on this machine already first.

    `say` is told how far each is, `wake` is called when `take` has something to give.
    """

    def __init__(
        self,
        options: EmbeddedOptions,
        networks: Networks,
        say: Callable[[Message], None],
        wake: Callable[[], None],
    ) -> None:
        self._options = options
        self._networks = networks
        self._say = say
        self._wake = wake
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()

    def start(self) -> None:
        """Begin, without waiting for anything."""
        Thread(target=self._load_all, name="load models", daemon=True).start()

    def take(self) -> list[Outcome]:
        """What became of models since the last call."""
        outcomes: list[Outcome] = []
        while not self._outcomes.empty():
            outcomes.append(self._outcomes.get())
        return outcomes

    def _load_all(self) -> None:
        for model in self._options.models:
            self._say(Progress(model=model.model, sentence="waiting to be loaded"))
        for model in sorted(self._options.models, key=lambda model: not model.checkpoint):
            self._outcomes.put(self._load(model))
            self._wake()

    def _load(self, model: ModelOptions) -> Outcome:
        report = ProgressReport(lambda sentence: self._say(Progress(model=model.model, sentence=sentence)))
        try:
            loaded = load(model, self._options, report)
            self._networks.add(loaded)
            return _ready(loaded)
        except (StartError, CheckpointError) as error:
            return LoadFailed(model=model.model, reason=f"{model.model} cannot be loaded: {error}")
        except Exception as error:  # noqa: BLE001 - a thread's loop: the other models must be served
            _log.exception("loading %s failed", model.model)
            return LoadFailed(model=model.model, reason=f"{model.model} cannot be loaded: {error!r}")
        finally:
            report.close()


def _ready(model: LoadedModel) -> Ready:
    return Ready(
        model=model.offer.model,
        variants=model.variants,
        folder=str(model.folder),
        context=model.context,
        vocab_size=model.checkpoint.vocab_size,
        attributes=model.checkpoint.attributes,
    )
