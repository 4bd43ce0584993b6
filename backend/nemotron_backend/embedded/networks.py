"""Which networks are in memory, and which are being made?"""

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Lock, Thread

from nemotron_backend.embedded.loading import LoadedModel
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.network import Network
from nemotron_backend.request import Variant

_log = logging.getLogger(__name__)


class Networks:
    """Networks of all models by size and precision, made when first asked for, in a thread of their own.

    One is made at a time, so that networks of one checkpoint find what they share. `wake` is called when one
    is ready or has failed.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = Lock()
        self._models: dict[str, LoadedModel] = {}
        self._made: dict[Variant, Network] = {}
        self._failures: dict[Variant, str] = {}
        self._pending: set[Variant] = set()
        self.vocabularies: dict[str, Vocabulary] = {}
        self.resident: tuple[ResidentModel, ...] = ()

    def add(self, model: LoadedModel) -> None:
        """Take in a model with the first of its networks. Raises what the checkpoint raises."""
        self._models[model.offer.model] = model
        self.vocabularies[model.offer.model] = model.vocabulary
        self.make(model.variants[0])

    def find(self, variant: Variant) -> Network | None:
        """The network if it is there; else it is being made from now on."""
        key = _key(variant)
        if key not in self._made and key not in self._pending and key not in self._failures:
            self._pending.add(key)
            Thread(target=self._build, args=(key,), name=f"make {key}", daemon=True).start()
        return self._made.get(key)

    def make(self, variant: Variant) -> Network:
        """Make a network now. Raises what the checkpoint raises."""
        with self._lock:
            network = self._models[variant.model].network(variant.size, variant.precision)
            self._made[_key(variant)] = network
            self.resident = self._survey()
        return network

    def failure(self, variant: Variant) -> str | None:
        """Why the network could not be made; the next request tries again."""
        return self._failures.pop(_key(variant), None)

    def _build(self, key: Variant) -> None:
        try:
            self.make(key)
        except Exception as error:  # noqa: BLE001 - a thread's loop: the reason goes to who asked
            _log.exception("making %s failed", key)
            self._failures[key] = f"the {key.precision} network cannot be made: {error}"
        finally:
            self._pending.discard(key)
            self._wake()

    def _survey(self) -> tuple[ResidentModel, ...]:
        """What networks of a model share grows with every precision that is read, so all is counted anew."""
        shared = (
            ResidentModel(model=name, size="", precision="", num_bytes=model.checkpoint.num_shared_bytes)
            for name, model in self._models.items()
        )
        own = (
            ResidentModel(
                model=key.model, size=key.size, precision=key.precision, num_bytes=network.num_bytes
            )
            for key, network in self._made.items()
        )
        return (*shared, *own)


def _key(variant: Variant) -> Variant:
    """All decode modes use the same network."""
    return replace(variant, decode="autoregressive")
