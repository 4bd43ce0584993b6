"""How are tokens drawn, and when does the answer end, where the body leaves it open?"""

import secrets
from dataclasses import replace

from nemotron_app.wire.fields import MAX_INT, GenerationBody
from nemotron_backend.catalog import Model
from nemotron_backend.request import Sampling, Stopping


def sampling_of(body: GenerationBody, model: Model) -> Sampling:
    """The body's settings, with the publisher's advice or what does nothing in place of the others."""
    advised = model.sampling
    return Sampling(
        temperature=advised.temperature if body.temperature is None else body.temperature,
        top_p=advised.top_p if body.top_p is None else body.top_p,
        top_k=max(0, body.top_k or 0),
        min_p=body.min_p or 0.0,
        repetition_penalty=body.repetition_penalty or 1.0,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        logit_bias=tuple(sorted((body.logit_bias or {}).items())),
        seed=secrets.randbelow(MAX_INT) if body.seed is None else body.seed,
    )


def stopping_of(body: GenerationBody, limit: int) -> Stopping:
    """When an answer of at most `limit` tokens ends."""
    stop = body.stop or []
    return Stopping(
        max_tokens=limit,
        strings=(stop,) if isinstance(stop, str) else tuple(stop),
        token_ids=tuple(body.stop_token_ids or ()),
        ignore_eos=body.ignore_eos,
    )


def with_marks(stopping: Stopping, model: Model) -> Stopping:
    """The same for a turn of a conversation, which ends where the model begins to write the next one."""
    return replace(stopping, strings=tuple(dict.fromkeys((*stopping.strings, *model.stops))))
