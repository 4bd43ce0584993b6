"""Which networks are in memory, and which are being made?"""

import logging
from collections.abc import Callable
from threading import Thread

from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.network import Network
from nemotron_backend.request import Precision, Variant

_log = logging.getLogger(__name__)

Make = Callable[[Precision], Network]


class Networks:
    """Networks of one checkpoint by precision, made when first asked for, in a thread of their own.

    `wake` is called when one is ready or has failed.
    """

    def __init__(self, make: Make, model: str, num_shared_bytes: int, wake: Callable[[], None]) -> None:
        self._make = make
        self._model = model
        # Tensors that all precisions share have an entry of their own.
        self.resident: tuple[ResidentModel, ...] = (
            ResidentModel(model=model, precision="shared", num_bytes=num_shared_bytes),
        )
        self._wake = wake
        self._made: dict[Precision, Network] = {}
        self._failures: dict[Precision, str] = {}
        self._pending: set[Precision] = set()

    def find(self, variant: Variant) -> Network | None:
        """The network if it is there; else it is being made from now on."""
        precision = variant.precision
        if precision in self._made:
            return self._made[precision]
        if precision not in self._pending and precision not in self._failures:
            self._pending.add(precision)
            Thread(target=self._build, args=(precision,), name=f"make {precision}", daemon=True).start()
        return None

    def make(self, precision: Precision) -> Network:
        """Make a network now. Raises what the checkpoint raises."""
        network = self._make(precision)
        self._made[precision] = network
        entry = ResidentModel(model=self._model, precision=precision, num_bytes=network.num_bytes)
        self.resident = (*self.resident, entry)
        return network

    def failure(self, variant: Variant) -> str | None:
        """Why the network could not be made; the next request tries again."""
        return self._failures.pop(variant.precision, None)

    def _build(self, precision: Precision) -> None:
        try:
            self.make(precision)
        except Exception as error:  # noqa: BLE001 - a thread's loop: the reason goes to who asked
            _log.exception("making the %s network failed", precision)
            self._failures[precision] = f"the {precision} network cannot be made: {error}"
        finally:
            self._pending.discard(precision)
            self._wake()
