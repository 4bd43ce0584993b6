"""What may a caller do?"""

from collections.abc import Collection
from dataclasses import dataclass

from nemotron_app.accounts.errors import insufficient_scope
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.caller import Caller
from nemotron_app.errors import Forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal(Caller):
    """A caller whose rights are known. No `models` allows all.

    `network` is set for guests alone: a digest of their address's prefix, which shares one budget however
    many cookies come from it.
    """

    tier: str
    scopes: Collection[str]
    models: tuple[str, ...] = ()
    key_id: str = ""
    network: str = ""

    def require(self, scope: str | None) -> None:
        """Raises Forbidden."""
        if scope is not None and scope not in self.scopes:
            raise insufficient_scope(scope)

    def require_model(self, model: str) -> None:
        """Raises Forbidden."""
        if self.models and model not in self.models:
            raise Forbidden(
                f"This API key may not use the model {model!r}.", code="model_not_allowed", param="model"
            )


LOCAL = Principal(id="local", is_anonymous=False, tier="local", scopes=frozenset(SCOPES))
