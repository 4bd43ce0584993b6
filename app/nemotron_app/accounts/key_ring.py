"""Is this API key good?

A key that was just looked up is believed for two seconds without the store, and forgotten at once where it
is revoked; other processes forget it when they hear of it, or when the two seconds are over.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from nemotron_app.accounts import key_text
from nemotron_app.accounts.credential import Credential, credential_of
from nemotron_app.accounts.revocation import Announcer
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.keys import Key, Keys
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.throttle import Throttle

BELIEVED_SECONDS = 2.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Finding:
    key: Key | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRingParts:
    """What a key ring is made of."""

    keys: Keys
    secret: Secret
    throttle: Throttle
    announcer: Announcer
    clock: Clock
    timer: Callable[[], float] = time.monotonic


class KeyRing:
    """All keys, the recent ones at hand."""

    def __init__(self, parts: KeyRingParts) -> None:
        self._keys = parts.keys
        self._secret = parts.secret
        self._throttle = parts.throttle
        self._announcer = parts.announcer
        self._clock = parts.clock
        self._timer = parts.timer
        self._findings: OrderedDict[str, _Finding] = OrderedDict()
        self._searches: dict[str, asyncio.Task[Key | None]] = {}
        parts.announcer.listen(self.forget)

    async def find(self, text: str, address: str) -> Credential | None:
        """The credential that a key is, good or not; None if it never was one."""
        if not key_text.is_well_formed(text):
            return None
        digest = self.digest(text)
        finding = self._findings.get(digest)
        if finding is None or self._timer() - finding.at >= BELIEVED_SECONDS:
            # A key that was good a moment ago is no guess, so its address's failures do not count against it.
            was_good = finding is not None and finding.key is not None
            key = await self._search(digest, None if was_good else address)
        else:
            key = finding.key
        return None if key is None else credential_of(key, self._clock)

    def digest(self, text: str) -> str:
        """What the store knows a key by."""
        return self._secret.digest("key", text)

    async def look_up(self, digest: str) -> Key | None:
        """The key as the store has it now."""
        return await self._keys.find(digest)

    async def owned(self, owner: str) -> Sequence[Key]:
        return await self._keys.owned(owner)

    async def num_active(self, owner: str) -> int:
        return await self._keys.num_active(owner)

    async def add(self, key: Key) -> None:
        await self._keys.add(key)

    async def rename(self, owner: str, key_id: str, name: str) -> Key | None:
        return await self._keys.rename(owner, key_id, name)

    async def revoke(self, owner: str, key_id: str) -> Key | None:
        """End a key everywhere."""
        key = await self._keys.revoke(owner, key_id)
        if key is not None:
            await self._end(key)
        return key

    async def replace(self, old: Key, new: Key, grace: timedelta) -> bool:
        """Let `new` follow `old`; False if `old` has ended."""
        was_replaced = await self._keys.replace(old, new, grace)
        if was_replaced:
            await self._end(old)
        return was_replaced

    def forget(self, digest: str) -> None:
        """Look a key up again when it comes next."""
        self._findings.pop(digest, None)
        self._searches.pop(digest, None)

    async def _end(self, key: Key) -> None:
        self.forget(key.digest)
        await self._announcer.announce(key.digest)

    async def _search(self, digest: str, address: str | None) -> Key | None:
        """Ask the store once, however many requests wait for the answer."""
        task = self._searches.get(digest)
        if task is None:
            task = asyncio.create_task(self._look_up(digest, address))
            self._searches[digest] = task
            task.add_done_callback(lambda _: self._drop(digest, task))
        return await asyncio.shield(task)

    def _drop(self, digest: str, task: asyncio.Task[Key | None]) -> None:
        if not task.cancelled():
            task.exception()  # so that nobody having waited for it is no complaint in the log
        if self._searches.get(digest) is task:
            del self._searches[digest]

    async def _look_up(self, digest: str, address: str | None) -> Key | None:
        if address is not None:
            await self._throttle.attempt(address)
        at = self._timer()
        key = await self._keys.find(digest)
        if key is not None and key.is_active(self._clock()):
            if address is not None:
                await self._throttle.forgive(address)
            await self._keys.touch(key)
        self._remember(digest, _Finding(key, at))
        return key

    def _remember(self, digest: str, finding: _Finding) -> None:
        # Whoever forgot the key while it was looked up must not find the old answer here.
        if self._searches.get(digest) is not asyncio.current_task():
            return
        self._findings[digest] = finding
        self._findings.move_to_end(digest)
        if len(self._findings) > _REMEMBERED:
            self._findings.popitem(last=False)
