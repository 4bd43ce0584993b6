"""What do requests for tokens look like?"""

from pydantic import Field

from nemotron_app.wire.chat import ChatMessage, TemplateArguments, ToolSpec
from nemotron_app.wire.fields import TokenId, Wire


class TokenizeBody(Wire):
    """The body of `POST /tokenize`: a prompt, or messages for the model's chat template."""

    model: str = Field(min_length=1, max_length=256)
    prompt: str | None = None
    messages: list[ChatMessage] | None = Field(default=None, min_length=1, max_length=4096)
    chat_template_kwargs: TemplateArguments | None = None
    tools: list[ToolSpec] | None = Field(default=None, max_length=128)


class DetokenizeBody(Wire):
    """The body of `POST /detokenize`."""

    model: str = Field(min_length=1, max_length=256)
    tokens: list[TokenId]
