"""How much has each owner been served, so that the least served comes first?

The virtual token counter of "Fairness in Serving Large Language Models" (arXiv 2401.00588).
"""

from collections.abc import Collection


class ServiceCounters:
    """Weighted tokens served per owner. Only the differences between owners mean anything."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        self._last = ""

    def __len__(self) -> int:
        return len(self._served)

    def of(self, owner: str) -> int:
        """Served so far."""
        return self._served.get(owner, 0)

    def lift(self, owner: str, waiting: Collection[str]) -> None:
        """Bring an owner who begins to wait up to those who wait already.

        Time away earns nothing: otherwise whoever pauses could later shut out all others. With nobody
        waiting, the last owner who stopped waiting sets the level.
        """
        level = min((self.of(other) for other in waiting), default=self.of(self._last))
        self._served[owner] = max(self.of(owner), level)

    def charge(self, owner: str, tokens: int) -> None:
        """Count what was served."""
        self._served[owner] = self.of(owner) + tokens

    def stopped_waiting(self, owner: str) -> None:
        """The owner has no request left that waits."""
        self._last = owner

    def forget(self, active: Collection[str]) -> None:
        """Drop everyone whom `lift` would raise anyhow; call it while nobody waits."""
        level = self.of(self._last)
        self._served = {
            owner: served
            for owner, served in self._served.items()
            if served > level or owner == self._last or owner in active
        }
