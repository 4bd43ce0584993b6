"""How good are many answers?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from nemotron_app.gateway import Here
from nemotron_app.routes.documents import GENERATION_FAILURES, Responses, body_document, failures
from nemotron_app.wire.body import body_of
from nemotron_app.wire.score_body import ScoresBody

router = APIRouter()

_SCORED: Responses = {
    200: {
        "content": {"application/jsonl": {"itemSchema": {"$ref": "#/components/schemas/ScoreLine"}}},
        "description": "A line of JSON for each answer, as soon as it is scored.",
    }
}


@router.post(
    "/v1/scores",
    openapi_extra=body_document(ScoresBody),
    responses=_SCORED | failures(*GENERATION_FAILURES),
    response_class=Response,
)
async def create_scores(
    request: Request, body: Annotated[ScoresBody, Depends(body_of(ScoresBody))], gateway: Here
) -> Response:
    """Score up to 64 answers, as one call."""
    return gateway.score(request, await gateway.translator.scores(body), body)
