"""How many tokens may a prompt have, while nobody has counted them?"""

from nemotron_backend.request import Conversation, Prompt, Text, TokenIds

# A template adds a few tokens a message, and what it makes of tools is longer than they are.
_TEMPLATE_TOKENS = 64
_TOOL_TOKENS = 512
# English has about four bytes a token, code and most other languages less.
_BYTES_A_TOKEN = 3


def most_tokens(prompt: Prompt) -> int | None:
    """A bound that costs nothing: no byte-level vocabulary makes more tokens than bytes. None where tools
    are told of, which a template writes at length.
    """
    if isinstance(prompt, Conversation) and _has_tools(prompt):
        return None
    return _num_bytes(prompt) + _num_template(prompt)


def likely_tokens(prompt: Prompt) -> int:
    """A guess that is seldom too low."""
    if isinstance(prompt, TokenIds):
        return len(prompt.token_ids)
    return -(-_num_bytes(prompt) // _BYTES_A_TOKEN) + _num_template(prompt)


def _has_tools(conversation: Conversation) -> bool:
    return bool(conversation.tools) or any(message.tool_calls for message in conversation.messages)


def _num_bytes(prompt: Prompt) -> int:
    match prompt:
        case Conversation(messages=messages, tools=tools):
            texts = [text for m in messages for text in (m.content, m.reasoning)]
            texts += [call.arguments for message in messages for call in message.tool_calls]
            texts += [text for tool in tools for text in (tool.description, tool.parameters)]
            return sum(len(text.encode()) for text in texts)
        case Text(text=text):
            return len(text.encode())
        case TokenIds(token_ids=token_ids):
            return len(token_ids)


def _num_template(prompt: Prompt) -> int:
    if not isinstance(prompt, Conversation):
        return 1
    has_tools = _TOOL_TOKENS if _has_tools(prompt) else 0
    return _TEMPLATE_TOKENS * (1 + len(prompt.messages) + len(prompt.tools)) + has_tools
