"""Which server is it, what may be asked of it, and which of its models are served here?"""

from dataclasses import dataclass, field
from typing import Literal

from nemotron_backend.request import Variant

Offer = Literal[
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "top_k",
    "min_p",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "stop_token_ids",
    "ignore_eos",
    "completions",
    "tokenize",
    "reasoning_budget",
    "continuous_usage_stats",
]

# What NVIDIA's hosted API documents for its models alike; a model may take more.
HOSTED: frozenset[Offer] = frozenset({"seed", "presence_penalty", "frequency_penalty", "reasoning_budget"})
# A NIM of version 2 is vLLM, which has no limit on thoughts under this name.
NIM: frozenset[Offer] = frozenset(
    {
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "top_k",
        "min_p",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "stop_token_ids",
        "ignore_eos",
        "completions",
        "tokenize",
        "continuous_usage_stats",
    }
)
# Where NVIDIA's hosted API tells how far an answer is that takes long.
NVIDIAS_STATUS_URL = "https://api.nvcf.nvidia.com/v2/nvcf/pexec/status"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamModel:
    """A model that the server calls `name`; whoever runs it states the variant, for it tells nothing of it.

    `thinks` where its template has a switch for that.
    """

    variant: Variant
    name: str
    thinks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """A server that speaks OpenAI's protocol in NVIDIA's dialect, as callers know it by `name`.

    `url` ends in /v1. `status_url` is asked, with an id behind it, for an answer that is promised with 202;
    empty where the server makes no such promises. `seconds` is how long it may take to connect.
    """

    name: str
    url: str
    key: str = field(repr=False)
    models: tuple[UpstreamModel, ...]
    offers: frozenset[Offer] = HOSTED
    status_url: str = ""
    seconds: float = 10.0
