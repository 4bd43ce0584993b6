"""Which models are there, and what can each do here?"""

from datetime import UTC, datetime

from fastapi import APIRouter

from nemotron_app.gateway import Gateway, Here
from nemotron_app.routes.documents import failures
from nemotron_app.wire.model import ModelAnswer, ModelList, describe_model
from nemotron_backend.catalog import Model

router = APIRouter()


@router.get("/v1/models")
async def list_models(gateway: Here) -> ModelList:
    """Every model of the catalog with its capability matrix, the served ones first."""
    models = [_describe(model, gateway) for model in gateway.catalog.models]
    return {"object": "list", "data": sorted(models, key=lambda model: not model["served"])}


@router.get("/v1/models/{model:path}", responses=failures(404))
async def retrieve_model(model: str, gateway: Here) -> ModelAnswer:
    """One model by id, alias or variant."""
    return _describe(gateway.catalog.find(model.partition(":")[0]), gateway)


def _describe(model: Model, gateway: Gateway) -> ModelAnswer:
    engine = gateway.engine
    return describe_model(
        model, engine.variants(), engine=engine.status().name, created=_released(model.released)
    )


def _released(date: str) -> int:
    """Seconds since the epoch of `2026`, `2026-03` or `2026-03-11`; 0 where unknown."""
    parts = [int(part) for part in date.split("-") if part.isdecimal()]
    if not parts:
        return 0
    year, month, day, *_ = [*parts, 1, 1]
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())
