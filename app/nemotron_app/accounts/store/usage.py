"""What has a caller used, by day, variant and key?"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import select

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.schema import DailyUsageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUsage:
    """The sums of one day, variant and key."""

    day: date
    variant: str
    key_id: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    forwards: int
    milliseconds: int


async def usage_since(database: Database, caller: str, first: date) -> Sequence[DailyUsage]:
    """A caller's days from `first` on, in order."""
    order = (DailyUsageRow.day, DailyUsageRow.variant, DailyUsageRow.key_id)
    query = select(DailyUsageRow).where(DailyUsageRow.caller == caller, DailyUsageRow.day >= first)
    names = [field.name for field in fields(DailyUsage)]
    async with database.reading() as session:
        rows = await session.scalars(query.order_by(*order))
        return [DailyUsage(**{name: getattr(row, name) for name in names}) for row in rows]
