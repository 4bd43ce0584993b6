"""How does a text go on?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from nemotron_app.gateway import Here
from nemotron_app.routes.documents import GENERATION_FAILURES, body_document, failures, streamed
from nemotron_app.wire.answer import TextChunk, TextCompletion
from nemotron_app.wire.body import body_of
from nemotron_app.wire.completion import CompletionBody
from nemotron_app.wire.form import TextForm

router = APIRouter()


@router.post(
    "/v1/completions",
    openapi_extra=body_document(CompletionBody),
    responses=streamed(TextCompletion, TextChunk) | failures(*GENERATION_FAILURES),
)
async def create_completion(
    request: Request, body: Annotated[CompletionBody, Depends(body_of(CompletionBody))], gateway: Here
) -> Response:
    """Continue one prompt or several."""
    return gateway.answer(request, await gateway.translator.completion(body), TextForm())
