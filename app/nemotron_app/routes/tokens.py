"""Which tokens does a model read?"""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from typing_extensions import TypedDict

from nemotron_app.errors import BadRequest
from nemotron_app.gateway import Gateway, Here
from nemotron_app.routes.documents import body_document, failures
from nemotron_app.wire.body import body_of
from nemotron_app.wire.conversation import conversation_of
from nemotron_app.wire.thinking import habit_of
from nemotron_app.wire.tokens import DetokenizeBody, TokenizeBody
from nemotron_backend.catalog import Model
from nemotron_backend.request import Prompt, Text

router = APIRouter()


class TokenizeAnswer(TypedDict):
    """Token ids, their number, and how many the model can read."""

    tokens: list[int]
    count: int
    max_model_len: int


class DetokenizeAnswer(TypedDict):
    """The text, under vLLM's name and under SGLang's."""

    prompt: str
    text: str


@router.post(
    "/tokenize",
    openapi_extra=body_document(TokenizeBody),
    responses=failures(400, 401, 404, 408, 413, 415, 429, 502, 503),
)
async def tokenize(
    body: Annotated[TokenizeBody, Depends(body_of(TokenizeBody))], gateway: Here
) -> TokenizeAnswer:
    """Token ids of a prompt, or of messages after the model's chat template."""
    model = _model(body.model, gateway)
    tokens = await gateway.engine.tokenize(model.id, _prompt(body, model))
    return {"tokens": list(tokens), "count": len(tokens), "max_model_len": model.context}


@router.post(
    "/detokenize",
    openapi_extra=body_document(DetokenizeBody),
    responses=failures(400, 401, 404, 408, 413, 415, 429, 502, 503),
)
async def detokenize(
    body: Annotated[DetokenizeBody, Depends(body_of(DetokenizeBody))], gateway: Here
) -> DetokenizeAnswer:
    """The text of token ids."""
    model = _model(body.model, gateway)
    text = await gateway.engine.detokenize(model.id, tuple(body.tokens))
    return {"prompt": text, "text": text}


def _model(name: str, gateway: Gateway) -> Model:
    return gateway.catalog.find(name.partition(":")[0])


def _prompt(body: TokenizeBody, model: Model) -> Prompt:
    if body.messages is not None and body.prompt is None:
        reflection = habit_of(model, body.chat_template_kwargs)
        conversation = conversation_of(body.messages, model, reflection, body.tools or ())
        return replace(conversation, is_finished=model.kind == "reward")
    if body.prompt is not None and body.messages is None:
        return Text(text=body.prompt)
    raise BadRequest("send either prompt or messages", param="prompt")
