"""How likely was a token, by the model alone?"""

from torch import Tensor

from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.request import Token, TokenChoice


def token_of(token_id: int, logits: Tensor, sequence: Sequence) -> Token:
    """The token with natural log-probabilities of the raw row of logits [vocabulary]."""
    total = float(logits.logsumexp(0))
    top: tuple[TokenChoice, ...] = ()
    if sequence.num_top_logprobs:
        values, ids = logits.topk(min(sequence.num_top_logprobs, len(logits)))
        top = tuple(
            TokenChoice(id=choice, bytes=sequence.bytes_of(choice), logprob=value - total)
            for value, choice in zip(values.tolist(), ids.tolist(), strict=True)
        )
    return Token(
        id=token_id,
        bytes=sequence.bytes_of(token_id),
        logprob=float(logits[token_id]) - total,
        top=top,
    )
