"""Which limiter fits the settings?"""

from dataclasses import dataclass

from nemotron_app.limits.breaker import Breaker
from nemotron_app.limits.limiter import Limiter, StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.outage import OutageLimiter, WhenDown
from nemotron_app.limits.redis_store import RedisStore, connect


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterSettings:
    """Without `redis_url` limits are kept in this process. `replicas` is how many processes share them.

    `lease_seconds` is how long a request of a crashed process counts as running; `patience_seconds` is
    the longest that one question to Redis may take. Redis must run with `maxmemory-policy noeviction`:
    a counter that is evicted is free quota.
    """

    redis_url: str | None = None
    when_redis_is_down: WhenDown = "local"
    replicas: int = 1
    lease_seconds: float = 30.0
    patience_seconds: float = 0.1


def limiter_for(settings: LimiterSettings) -> Limiter:
    """The limiter; it connects when it is first asked."""
    local = StoreLimiter(MemoryStore(lease_seconds=settings.lease_seconds))
    if settings.redis_url is None:
        return local
    patience = settings.patience_seconds
    redis = connect(settings.redis_url, patience=patience)
    shared = StoreLimiter(RedisStore(redis, lease_seconds=settings.lease_seconds, patience=patience))
    return OutageLimiter(
        shared,
        local,
        breaker=Breaker(),
        replicas=settings.replicas,
        when_down=settings.when_redis_is_down,
    )
