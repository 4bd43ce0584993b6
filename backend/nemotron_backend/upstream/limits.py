"""What can another server not do, and does a request ask for it?

It must not be left out in silence: whoever sets a knob would take the answer for one made with it.
"""

from collections.abc import Iterator, Mapping

from nemotron_backend.engine import InvalidRequest, Lack
from nemotron_backend.request import Conversation, Decoding, GenerationRequest, Thinking
from nemotron_backend.upstream.options import Offer, UpstreamOptions

# The request fields that each offer is about.
_FIELDS: Mapping[Offer, tuple[str, ...]] = {
    "seed": ("seed",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "top_k": ("top_k",),
    "min_p": ("min_p",),
    "repetition_penalty": ("repetition_penalty",),
    "logit_bias": ("logit_bias",),
    "logprobs": ("logprobs",),
    "stop_token_ids": ("stop_token_ids",),
    "ignore_eos": ("ignore_eos",),
    "completions": ("prompt",),
    "tokenize": ("tokens",),
    "reasoning_budget": ("reasoning_budget",),
}
_NEVER = ("nvext.trace", "nvext.canvas", "nvext.thinking_grace", "nvext.block_length")


def lacks_of(options: UpstreamOptions) -> tuple[Lack, ...]:
    """Every field that cannot be honoured."""
    missing = [field for offer, fields in _FIELDS.items() if offer not in options.offers for field in fields]
    return tuple(Lack(field=field, reason=_reason(options)) for field in (*missing, *_NEVER))


def check(request: GenerationRequest, options: UpstreamOptions) -> None:
    """Raises InvalidRequest for the first field that asks for what cannot be had.

    A request always has a seed, so that only the door knows whether one was asked for.
    """
    unable = {lack.field for lack in lacks_of(options)}
    field = next((field for field in _asked(request) if field in unable), None)
    if field is not None:
        raise InvalidRequest(
            field, f"{field}: {_reason(options)}. Leave it out, or choose a model that runs here"
        )


def _asked(request: GenerationRequest) -> Iterator[str]:
    sampling, stopping, thinking = request.sampling, request.stopping, request.thinking
    asked = {
        "presence_penalty": sampling.presence_penalty != 0,
        "frequency_penalty": sampling.frequency_penalty != 0,
        "top_k": sampling.top_k != 0,
        "min_p": sampling.min_p != 0,
        "repetition_penalty": sampling.repetition_penalty != 1,
        "logit_bias": bool(sampling.logit_bias),
        "logprobs": request.num_top_logprobs is not None,
        "stop_token_ids": bool(stopping.token_ids),
        "ignore_eos": stopping.ignore_eos,
        "prompt": not isinstance(request.prompt, Conversation),
        "reasoning_budget": thinking.budget > 0,
        "nvext.thinking_grace": thinking.grace != Thinking().grace,
        "nvext.trace": request.trace,
        "nvext.canvas": request.canvas,
        "nvext.block_length": request.decoding != Decoding(),
    }
    return (field for field, is_asked in asked.items() if is_asked)


def _reason(options: UpstreamOptions) -> str:
    return f"{options.name}, the server that answers for this model, does not take it"
