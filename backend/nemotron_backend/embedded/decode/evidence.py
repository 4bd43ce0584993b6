"""How does a forward's work read in the trace?"""

from collections.abc import Sequence

from nemotron_backend.request import Token, TokenState, TracedToken


def emitted(place: int, tokens: Sequence[Token], state: TokenState = "accepted") -> tuple[TracedToken, ...]:
    """Tokens of an answer from a place of it on."""
    return traced(place, [token.id for token in tokens], state)


def traced(place: int, token_ids: Sequence[int], state: TokenState) -> tuple[TracedToken, ...]:
    """Token ids of an answer from a place of it on."""
    return tuple(
        TracedToken(position=place + offset, id=token_id, state=state)
        for offset, token_id in enumerate(token_ids)
    )
