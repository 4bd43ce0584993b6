"""What is the next token of a sequence, given the network's word on it?"""

from torch import Tensor

from nemotron_backend.embedded.logprobs import token_of
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.request import Token


def draw(sequence: Sequence, logits: Tensor) -> Token:
    """A token from a row of logits [vocabulary], counted as part of the answer from now on."""
    token_id = sequence.sampler.draw(logits)
    sequence.sampler.observe(token_id)
    return token_of(token_id, logits, sequence)
