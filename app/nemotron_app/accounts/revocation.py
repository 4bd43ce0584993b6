"""How do other processes learn that a key has ended? Through Redis; without it, within two seconds."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

_CHANNEL = "accounts:ended-keys"
_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)

Listener = Callable[[str], None]


class Announcer(Protocol):
    """Carries digests of ended keys between processes."""

    def listen(self, listener: Listener) -> None: ...

    async def announce(self, digest: str) -> None: ...

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


class SilentAnnouncer:
    """For a process that has no Redis: the others find out when they look again."""

    def listen(self, listener: Listener) -> None:
        pass

    async def announce(self, digest: str) -> None:
        pass

    async def start(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class RedisAnnouncer:
    """Through a channel of Redis. While Redis is away nothing fails: the two seconds hold anyway."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._is_subscribed = asyncio.Event()

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def announce(self, digest: str) -> None:
        try:
            await self._redis.publish(_CHANNEL, digest)
        except RedisError as error:
            _log.warning("other processes learn of an ended key late: %s", type(error).__name__)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._hear_forever())

    async def subscribed(self) -> None:
        """Wait until announcements are heard."""
        await self._is_subscribed.wait()

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _hear_forever(self) -> None:
        while True:
            try:
                await self._hear()
            except RedisError as error:
                _log.warning("Redis does not tell of ended keys: %s", type(error).__name__)
            self._is_subscribed.clear()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(_CHANNEL)
            async for message in channel.listen():
                if message["type"] == "subscribe":
                    self._is_subscribed.set()
                else:
                    self._tell(message["data"])

    def _tell(self, digest: str) -> None:
        for listener in self._listeners:
            listener(digest)
