"""What has the caller used, and what is left?"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from nemotron_app.accounts import Principal
from nemotron_app.accounts.errors import translated
from nemotron_app.accounts.store.usage import usage_since
from nemotron_app.limits import limit_headers
from nemotron_app.membership import Membership
from nemotron_app.record import record_of
from nemotron_app.routes.documents import failures
from nemotron_app.wire.usage import UsageReport, describe_days, describe_limits, describe_places, sum_up

_Days = Annotated[int, Query(ge=1, le=366, description="How many days back, today included.")]


def usage_router(membership: Membership) -> APIRouter:
    """The route of a server that has accounts."""
    router = APIRouter()

    @router.get("/v1/usage", responses=failures(400, 401, 403, 429, 503))
    async def usage(request: Request, days: _Days = 7) -> UsageReport:
        """Limits with what is left of them, the line before the engine, and the tokens of the last days."""
        return await _report(membership, request, days)

    return router


async def _report(membership: Membership, request: Request, num_days: int) -> UsageReport:
    record, accounts, cashier = record_of(request.scope), membership.accounts, membership.cashier
    caller = record.caller
    assert isinstance(caller, Principal)
    states = await cashier.states(membership.budgets.of(caller))
    record.headers.update(limit_headers(states, degraded=cashier.is_degraded))
    today = accounts.clock().date()
    with translated():
        rows = await usage_since(accounts.database, caller.id, today - timedelta(days=num_days - 1))
    return {
        "object": "usage",
        "tier": caller.tier,
        "degraded": cashier.is_degraded,
        "limits": describe_limits(states),
        "queue": {
            "running": membership.queue.num_running,
            "waiting": membership.queue.num_waiting,
            "places": describe_places(membership.queue.places(caller.network or caller.id)),
        },
        "today": sum_up([row for row in rows if row.day == today]),
        "days": describe_days(rows),
    }
