"""What does a request for the scores of many answers look like, and a line of what comes back?"""

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nemotron_app.wire.chat import ChatMessage
from nemotron_app.wire.fields import NvExt, Wire

MOST_ANSWERS = 64


class AnswerToScore(Wire):
    """A conversation that ends with the answer; `id` comes back with its scores."""

    id: str | None = Field(default=None, max_length=256)
    messages: list[ChatMessage] = Field(min_length=1, max_length=4096)


class ScoresBody(Wire):
    """The body of `POST /v1/scores`."""

    model: str = Field(min_length=1, max_length=256, description="Id or alias of a reward model.")
    answers: list[AnswerToScore] = Field(min_length=1, max_length=MOST_ANSWERS)
    nvext: NvExt | None = None


class ScoreLine(TypedDict):
    """The scores of the answer at place `index`, in the order in which they are ready; `reward` is one number
    of them all. One line of JSON each.
    """

    index: int
    id: NotRequired[str]
    scores: dict[str, float]
    reward: float
    prompt_tokens: int
    cached_tokens: int
