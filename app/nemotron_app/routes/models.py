"""Which models are there, and what can each do here?"""

from datetime import UTC, datetime

from fastapi import APIRouter

from nemotron_app.gateway import Gateway, Here
from nemotron_app.routes.documents import failures
from nemotron_app.wire.model import ModelAnswer, ModelList, TierAnswer, describe_model, describe_tier
from nemotron_backend.catalog import Model

router = APIRouter()


@router.get("/v1/models", responses=failures(400, 401, 403, 429, 503))
async def list_models(gateway: Here) -> ModelList:
    """Every model of the catalog with its capability matrix, the served ones first."""
    models = [_describe(model, gateway) for model in gateway.catalog.models]
    served_first = sorted(models, key=lambda model: not model["served"])
    return {"object": "list", "data": served_first, "tiers": _tiers(gateway)}


@router.get("/v1/models/{model:path}", responses=failures(400, 401, 403, 404, 429, 503))
async def retrieve_model(model: str, gateway: Here) -> ModelAnswer:
    """One model by id, alias or variant."""
    return _describe(gateway.catalog.find(model.partition(":")[0]), gateway)


def _describe(model: Model, gateway: Gateway) -> ModelAnswer:
    engine = gateway.engine
    return describe_model(
        model,
        gateway.catalog,
        engine.variants(),
        status=engine.status(),
        created=_released(model.released),
    )


def _tiers(gateway: Gateway) -> list[TierAnswer]:
    if gateway.membership is None:
        return []
    return [describe_tier(tier) for tier in gateway.membership.budgets.tiers.values()]


def _released(date: str) -> int:
    """Seconds since the epoch of `2026`, `2026-03` or `2026-03-11`; 0 where unknown."""
    parts = [int(part) for part in date.split("-") if part.isdecimal()]
    if not parts:
        return 0
    year, month, day, *_ = [*parts, 1, 1]
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())
