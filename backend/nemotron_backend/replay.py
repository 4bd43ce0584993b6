"""Which tokens does a trace say that an answer has?

A trace is the record of every forward of one choice, in order, and of what each did to tokens of the
answer, by place:

    drafted     put there on trial; another draft of the place may replace it
    accepted    certain: drawn from left to right, or a drafted token that stands
    bonus       certain: the token that the verifying forward gave on top of those that stand
    revealed    certain: filled in behind a mask, in whatever order places became sure
    rejected    a drafted token that was taken back

A place is certain once. Places from the end of the answer on were filled in vain: an end-of-turn token, a
stop string or the limit of tokens came before them.
"""

from collections.abc import Iterable

from nemotron_backend.request import Forward, TracedToken

# Counts up whenever a reader of older traces would misread newer ones.
TRACE_VERSION = 1


class BrokenTrace(ValueError):
    """The trace contradicts itself, or does not tell every token."""


def replay(trace: Iterable[Forward], num_tokens: int) -> tuple[int, ...]:
    """The token ids of an answer of so many tokens. Raises BrokenTrace."""
    certain: dict[int, int] = {}
    drafted: dict[int, int] = {}
    for forward in trace:
        for token in forward.tokens:
            _check(token, drafted, is_verified=forward.kind == "verify")
            if token.state == "drafted":
                drafted[token.position] = token.id
            elif token.state == "rejected":
                del drafted[token.position]
            elif token.position in certain:
                raise BrokenTrace(f"place {token.position} is filled twice")
            else:
                certain[token.position] = token.id
    missing = [place for place in range(num_tokens) if place not in certain]
    if missing:
        raise BrokenTrace(f"place {missing[0]} of {num_tokens} is never filled")
    return tuple(certain[place] for place in range(num_tokens))


def _check(token: TracedToken, drafted: dict[int, int], *, is_verified: bool) -> None:
    """A drafted token can only be judged as it was drafted."""
    is_judged = token.state == "rejected" or (is_verified and token.state == "accepted")
    if is_judged and drafted.get(token.position) != token.id:
        raise BrokenTrace(f"token {token.id} at place {token.position} is {token.state}, and was not drafted")
