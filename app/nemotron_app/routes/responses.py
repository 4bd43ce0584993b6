"""How is a response made, and what of it can be had later?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from nemotron_app.errors import BadRequest, NotFound
from nemotron_app.gateway import Here
from nemotron_app.routes.documents import GENERATION_FAILURES, body_document, failures, streamed
from nemotron_app.wire.body import body_of
from nemotron_app.wire.responses.answer import ResponseAnswer, ResponseEvent
from nemotron_app.wire.responses.body import ResponsesBody
from nemotron_app.wire.responses.spoken import spoken_of

router = APIRouter()


@router.post(
    "/v1/responses",
    openapi_extra=body_document(ResponsesBody),
    responses=streamed(ResponseAnswer, ResponseEvent) | failures(*GENERATION_FAILURES),
)
async def create_response(
    request: Request, body: Annotated[ResponsesBody, Depends(body_of(ResponsesBody))], gateway: Here
) -> Response:
    """Answer a conversation, in OpenAI's newer shape."""
    if (model := gateway.catalog.find(body.model.partition(":")[0])).kind == "reward":
        message = f"model: {model.id} scores answers; ask it through /v1/chat/completions"
        raise BadRequest(message, param="model", code="unsupported_endpoint")
    spoken = spoken_of(body)
    with spoken.renaming():
        asked = await gateway.translator.chat(spoken.chat)
    return gateway.respond(request, asked, body, spoken)


@router.api_route("/v1/responses/{response_id}", methods=["GET", "DELETE"], include_in_schema=False)
async def refuse_old(response_id: str) -> Response:
    """A response of before."""
    message = "no response is kept here; what was answered is all there is of it"
    raise NotFound(message, param="response_id", code="response_not_found")


@router.post("/v1/responses/{response_id}/cancel", include_in_schema=False)
async def refuse_cancel(response_id: str) -> Response:
    """A response that would run in the background."""
    message = "no response runs in the background; close the connection of one to cancel it"
    raise BadRequest(message, param="response_id", code="not_in_background")
