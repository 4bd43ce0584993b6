"""What does a plain completion request look like?"""

from typing import Annotated

from pydantic import Field

from nemotron_app.wire.fields import GenerationBody, TokenId

Tokens = Annotated[list[TokenId], Field(min_length=1)]


class CompletionBody(GenerationBody):
    """The body of `POST /v1/completions`."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1)]
        | Tokens
        | Annotated[list[Tokens], Field(min_length=1)]
    ) = Field(description="Text or token ids; a list of either gives one answer each.")
    echo: bool | None = Field(default=None, description="Only `false` is served.")
    suffix: str | None = Field(default=None, description="Not served.")
    best_of: int | None = Field(default=None, ge=1, le=20, description="Only the value of `n` is served.")
    logprobs: int | None = Field(
        default=None, ge=0, le=20, description="Answer with log-probabilities and so many likely tokens."
    )
