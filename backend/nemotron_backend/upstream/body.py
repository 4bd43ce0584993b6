"""How is a request told to another server?"""

import json
from typing import Any

from nemotron_backend.request import (
    Conversation,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    Stopping,
    Text,
    Tool,
)
from nemotron_backend.upstream.options import UpstreamModel, UpstreamOptions


def body_of(request: GenerationRequest, model: UpstreamModel, options: UpstreamOptions) -> dict[str, Any]:
    """The body for one choice, which has the request's own seed; fields that do nothing are left out."""
    stream: dict[str, Any] = {"include_usage": True}
    if "continuous_usage_stats" in options.offers:
        stream["continuous_usage_stats"] = True
    body = {"model": model.name, "stream": True, "stream_options": stream}
    body |= _sampling(request.sampling, has_seed="seed" in options.offers) | _stopping(request.stopping)
    if not isinstance(request.prompt, Conversation):
        return body | prompt_of(request.prompt, model) | _text_logprobs(request.num_top_logprobs)
    if request.thinking.budget > 0:
        body["reasoning_budget"] = request.thinking.budget
    return body | prompt_of(request.prompt, model) | _chat_logprobs(request.num_top_logprobs)


def prompt_of(prompt: Prompt, model: UpstreamModel) -> dict[str, Any]:
    """A prompt's own fields."""
    match prompt:
        case Conversation():
            return _conversation(prompt, model)
        case Text(text=text):
            return {"prompt": text}
        case _:
            # No network runs on nothing; of an empty text a server makes what its model begins with.
            return {"prompt": list(prompt.token_ids) or ""}


def _conversation(conversation: Conversation, model: UpstreamModel) -> dict[str, Any]:
    fields: dict[str, Any] = {"messages": [_message(message) for message in conversation.messages]}
    if conversation.tools:
        fields["tools"] = [_tool(tool) for tool in conversation.tools]
    if model.thinks:
        switches: dict[str, Any] = {"enable_thinking": conversation.is_thinking}
        if conversation.keeps_thoughts:
            switches["truncate_history_thinking"] = False
        if conversation.effort:
            switches[conversation.effort] = True
        fields["chat_template_kwargs"] = switches
    return fields


def _message(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        plain["reasoning_content"] = message.reasoning
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        plain["tool_call_id"] = message.call_id
    return plain


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": function}


def _sampling(sampling: Sampling, *, has_seed: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    optional = {
        "top_k": (sampling.top_k, 0),
        "min_p": (sampling.min_p, 0),
        "repetition_penalty": (sampling.repetition_penalty, 1),
        "presence_penalty": (sampling.presence_penalty, 0),
        "frequency_penalty": (sampling.frequency_penalty, 0),
    }
    fields |= {name: value for name, (value, idle) in optional.items() if value != idle}
    if sampling.logit_bias:
        fields["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    return fields | ({"seed": sampling.seed} if has_seed else {})


def _stopping(stopping: Stopping) -> dict[str, Any]:
    fields: dict[str, Any] = {"max_tokens": stopping.max_tokens}
    if stopping.strings:
        fields["stop"] = list(stopping.strings)
    if stopping.token_ids:
        fields["stop_token_ids"] = list(stopping.token_ids)
    if stopping.ignore_eos:
        fields["ignore_eos"] = True
    return fields


def _chat_logprobs(number: int | None) -> dict[str, Any]:
    return {} if number is None else {"logprobs": True, "top_logprobs": number}


def _text_logprobs(number: int | None) -> dict[str, Any]:
    return {} if number is None else {"logprobs": number}
