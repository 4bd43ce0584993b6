"""How are the books kept in Redis, for many processes?"""

import asyncio
from collections.abc import Callable, Sequence
from importlib import resources

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from nemotron_app.limits.errors import StoreUnavailable
from nemotron_app.limits.ledger import Reading, Verdict
from nemotron_app.limits.tier import SignInLimit, Tier

_CONNECTIONS = 32


def connect(url: str, *, patience: float) -> Redis:
    """A client that gives up after `patience` seconds and never sends anything twice."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=patience,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 0),
        # With them, redis-py 8.1 sends commands into connections that a restarted server has closed.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)


class RedisStore:
    """Ledgers in Redis, changed by one script, on the server's clock.

    `patience` bounds a whole step, connecting included. `clock` (milliseconds) replaces the server's
    clock in tests. Nothing outside this process can choose it: it is given by whoever builds the store,
    never read from a request; and who can send Redis a command needs no clock to delete a counter.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float,
        patience: float,
        clock: Callable[[], int] | None = None,
    ) -> None:
        script = resources.files("nemotron_app.limits").joinpath("limits.lua").read_text("utf-8")
        self._redis = redis
        self._script = redis.register_script(script)
        self._lease_milliseconds = round(1000 * lease_seconds)
        self._patience = patience
        self._clock = clock

    @property
    def name(self) -> str:
        return "redis"

    async def reserve(
        self, owner: str, tier: Tier, lease: str, *, charge: int, least: int
    ) -> tuple[Verdict, Reading]:
        return await self._step("reserve", owner, tier, lease, charge, least)

    async def renew(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        return (await self._step("renew", owner, tier, lease, known, used))[1]

    async def settle(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        return (await self._step("settle", owner, tier, lease, known, used))[1]

    async def read(self, owner: str, tier: Tier) -> Reading:
        return (await self._step("read", owner, tier, "", 0, 0))[1]

    async def attempt(self, address: str, limit: SignInLimit) -> tuple[bool, int]:
        passed, level = await self._sign_in("attempt", address, limit)
        return bool(passed), level

    async def forgive(self, address: str, limit: SignInLimit) -> None:
        await self._sign_in("forgive", address, limit)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _step(
        self, operation: str, owner: str, tier: Tier, lease: str, *amounts: int
    ) -> tuple[Verdict, Reading]:
        keys = [f"rl:{{{owner}}}:{part}" for part in ("spent", "leases", "held")]
        limits = (tier.requests_per_minute, tier.burst, tier.tokens_per_minute, tier.tokens_per_day)
        rest: list[int | str] = [*limits, tier.in_flight, self._lease_milliseconds, lease, *amounts]
        verdict, *reading = await self._run(operation, keys, rest)
        return Verdict(verdict), Reading(*reading)

    async def _sign_in(self, operation: str, address: str, limit: SignInLimit) -> list[int]:
        return await self._run(operation, [f"rl:{{{address}}}:sign_in"], [limit.per_minute, limit.burst])

    async def _run(self, operation: str, keys: list[str], rest: Sequence[int | str]) -> list[int]:
        now = self._clock() if self._clock else ""
        try:
            async with asyncio.timeout(self._patience):
                answer: list[int] = await self._script(keys=keys, args=[operation, now, *rest])
        except (RedisError, OSError, TimeoutError) as error:
            # Whatever Redis says instead of an answer (gone, slow, full, loading, read-only), the caller's
            # question is open, and must be answered in another way.
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise StoreUnavailable(f"Redis does not keep limits now ({reason}).") from error
        return answer
