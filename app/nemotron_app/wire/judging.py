"""What does a chat request ask of a reward model?

The conversation ends with the answer to judge, and no token is made: whatever says how tokens shall be
made would be without effect, so it is refused. A limit of tokens holds by itself, and many clients always
send one.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nemotron_app.errors import BadRequest
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.chat import ChatBody, ChatMessage
from nemotron_app.wire.conversation import conversation_of
from nemotron_app.wire.decoding import decoding_of
from nemotron_app.wire.fields import NvExt, StreamOptions
from nemotron_app.wire.refuse import refuse_thinking
from nemotron_app.wire.score_body import ScoresBody
from nemotron_app.wire.thinking import Reflection
from nemotron_backend.catalog import Model
from nemotron_backend.request import Conversation, Variant, scoring


def judged(body: ChatBody, model: Model, variant: Variant) -> Asked:
    """One request for scores. Raises BadRequest."""
    _refuse_generation(body, model)
    refuse_thinking(body, model)
    decoding_of(body, variant)  # refuses what only other modes have
    options = body.stream_options or StreamOptions()
    asked = _asked(variant, [_finished(body.messages, model, "messages")])
    return replace(asked, stream=bool(body.stream), include_usage=options.include_usage)


def judged_together(body: ScoresBody, model: Model, variant: Variant) -> Asked:
    """A request for each of many answers. Raises BadRequest."""
    return _asked(
        variant,
        [
            _finished(answer.messages, model, f"answers[{place}].messages")
            for place, answer in enumerate(body.answers)
        ],
    )


def _asked(variant: Variant, conversations: Sequence[Conversation]) -> Asked:
    call_id = secrets.token_hex(12)
    return Asked(
        id=call_id,
        created=int(time.time()),
        requests=tuple(
            scoring(f"{call_id}-{place}", variant, conversation)
            for place, conversation in enumerate(conversations)
        ),
        stream=False,
        include_usage=False,
        num_prompt_tokens=None,
        has_limit=True,
        show_trace=False,
    )


def _finished(messages: Sequence[ChatMessage], model: Model, param: str) -> Conversation:
    """A conversation that ends with an answer. Raises BadRequest."""
    if messages[-1].role != "assistant":
        place = f"{param}[{len(messages) - 1}].role"
        message = (
            f"{place} must be 'assistant', not {messages[-1].role!r}: {model.id} is a reward model, which "
            "judges the answer that a conversation ends with; put the answer behind the question"
        )
        raise BadRequest(message, param=place)
    return conversation_of(messages, model, Reflection())


def _refuse_generation(body: ChatBody, model: Model) -> None:
    for param, asked in _generation(body):
        if asked:
            message = (
                f"{param}: {model.id} is a reward model, which scores the last message and makes no tokens; "
                f"leave {param} out"
            )
            raise BadRequest(message, param=param, code="unsupported_field")


def _generation(body: ChatBody) -> Iterator[tuple[str, Any]]:
    """Each field on how tokens are made, with whether it asks for anything."""
    yield "temperature", body.temperature
    yield "top_p", body.top_p not in (None, 1.0)
    yield "top_k", (body.top_k or 0) > 0
    yield "min_p", body.min_p
    yield "repetition_penalty", body.repetition_penalty not in (None, 1.0)
    yield "presence_penalty", body.presence_penalty
    yield "frequency_penalty", body.frequency_penalty
    yield "logit_bias", body.logit_bias
    yield "n", (body.n or 1) > 1
    yield "stop", body.stop
    yield "stop_token_ids", body.stop_token_ids
    yield "ignore_eos", body.ignore_eos
    yield "top_logprobs", body.top_logprobs
    yield "tools", body.tools
    yield "tool_choice", body.tool_choice not in (None, "none", "auto")
    yield "nvext.canvas", (body.nvext or NvExt()).canvas
    yield "nvext.trace", (body.nvext or NvExt()).trace
    yield (
        "stream_options.continuous_usage_stats",
        (body.stream_options or StreamOptions()).continuous_usage_stats,
    )
