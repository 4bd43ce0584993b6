"""How does a conversation go on?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from nemotron_app.gateway import Here
from nemotron_app.routes.documents import GENERATION_FAILURES, body_document, failures, streamed
from nemotron_app.wire.answer import ChatChunk, ChatCompletion
from nemotron_app.wire.body import body_of
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.form import ChatForm
from nemotron_app.wire.score_form import ScoreForm
from nemotron_app.wire.tool_calls import offered_tools

router = APIRouter()


@router.post(
    "/v1/chat/completions",
    openapi_extra=body_document(ChatBody),
    responses=streamed(ChatCompletion, ChatChunk) | failures(*GENERATION_FAILURES),
)
async def create_chat_completion(
    request: Request, body: Annotated[ChatBody, Depends(body_of(ChatBody))], gateway: Here
) -> Response:
    """Answer a conversation."""
    asked = await gateway.translator.chat(body)
    if asked.wants_scores:
        return gateway.answer(request, asked, ScoreForm())
    syntax = gateway.catalog.find(asked.variant.model).tools
    form = ChatForm(offered_tools(body), syntax, is_single=body.parallel_tool_calls is False)
    return gateway.answer(request, asked, form)
