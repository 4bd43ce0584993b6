"""Can the embedded engine do what is asked?"""

from nemotron_backend.embedded.messages import Ready
from nemotron_backend.embedded.tokenization import field_of
from nemotron_backend.engine import ContextTooLong, InvalidRequest
from nemotron_backend.request import Decoding, GenerationRequest

# A block takes room in the cache of every request that may fill one.
LONGEST_BLOCK = 64


def check_request(request: GenerationRequest, num_prompt: int, ready: Ready) -> None:
    """Raises InvalidRequest, ContextTooLong."""
    _check_wish(request, ready)
    _check_length(request, num_prompt, ready.context)
    for token_id, _ in request.sampling.logit_bias:
        if not 0 <= token_id < ready.vocab_size:
            message = f"token id {token_id} is outside the vocabulary, which has {ready.vocab_size} tokens"
            raise InvalidRequest("logit_bias", message)
    _check_decoding(request.decoding)


def _check_wish(request: GenerationRequest, ready: Ready) -> None:
    if request.wish == "scores" and not ready.attributes:
        raise InvalidRequest("model", f"{ready.model} is no reward model: it says words, and no scores")
    if request.wish == "text" and ready.attributes:
        raise InvalidRequest("model", f"{ready.model} is a reward model: it says scores, and no words")


def _check_decoding(decoding: Decoding) -> None:
    takes_steps = decoding.threshold > 0 or decoding.num_steps > 1
    problems = {
        "block_length": (
            f"must be 0, which is the model's own, or 1 to {LONGEST_BLOCK}, not {decoding.block_length}",
            not 0 <= decoding.block_length <= LONGEST_BLOCK,
        ),
        "threshold": (f"must be 0 to 1, not {decoding.threshold}", not 0 <= decoding.threshold <= 1),
        "num_steps": (f"must be 0 or more, not {decoding.num_steps}", decoding.num_steps < 0),
        "drafting": (
            "quadratic fills all masks beside the verifying, so threshold and num_steps have no say in it",
            decoding.drafting == "quadratic" and takes_steps,
        ),
    }
    for name, (problem, is_wrong) in problems.items():
        if is_wrong:
            raise InvalidRequest(f"nvext.{name}", f"nvext.{name} {problem}")


def _check_length(request: GenerationRequest, num_prompt: int, context: int) -> None:
    max_tokens = request.stopping.max_tokens
    if max_tokens < 1 and request.wish == "text":
        raise InvalidRequest("max_tokens", f"max_tokens must be at least 1, not {max_tokens}")
    needed = num_prompt + max_tokens
    if needed > context:
        message = (
            f"This model's maximum context length is {context} tokens. However, you requested {needed} "
            f"tokens ({num_prompt} in the prompt, {max_tokens} for the answer). "
            "Please shorten the prompt or ask for a shorter answer."
        )
        raise ContextTooLong(field_of(request.prompt), message, num_tokens=needed, limit=context)
