"""The keys as one replica knows them: checked in memory, read again a few times a minute.

A request costs one look-up by id, one hash and one comparison in constant time. When the control
store is away, keys that are known go on as they are; a key that is not known may be new, so it is
answered 503 and not 401.
"""

from __future__ import annotations

import asyncio
import logging
from hmac import compare_digest

from nba.access.keys import PREFIX, ApiKey, hash_secret
from nba.access.roles import Actor
from nba.access.store import KeyStore
from nba.domain.clock import Clock, to_rfc3339
from nba.errors import NbaError, UnauthenticatedError, UnavailableError

_NOTE_USE_SECONDS = 60.0
_PREFIX = PREFIX.encode()
_NOBODY = hash_secret(b"")

_logger = logging.getLogger(__name__)


class KeyRing:
    """Knows who bears a key.

    Parameters
    ----------
    poll_seconds
        How often the store is read again: how long a new key waits and a revoked one goes on.

    """

    def __init__(self, store: KeyStore, clock: Clock, *, poll_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._keys: dict[bytes, tuple[ApiKey, Actor]] = {}
        self._used: dict[str, int] = {}
        self._fresh = False

    def actor(self, text: bytes) -> Actor:
        """Return who bears a key.

        Raises :class:`~nba.errors.UnauthenticatedError` where it is none, or no longer, and
        :class:`~nba.errors.UnavailableError` where it is not known and the store is away.
        """
        key_id, _, secret = text[len(_PREFIX) :].partition(b"_")
        held = self._keys.get(key_id)
        found = hash_secret(secret)
        if held is None:
            compare_digest(found, _NOBODY)  # takes as long as for a key there is
            raise self._unknown()
        key, actor = held
        now = self._clock()
        if not compare_digest(found, key.secret_hash):
            self._require_previous(key, found, now)
        if key.revoked_at_ms is not None:
            raise UnauthenticatedError(
                f"API key {key.name!r} was revoked at {to_rfc3339(key.revoked_at_ms)}"
            )
        if key.expires_at_ms is not None and now >= key.expires_at_ms:
            raise UnauthenticatedError(
                f"API key {key.name!r} expired at {to_rfc3339(key.expires_at_ms)}"
            )
        self._used[key.id] = now
        return actor

    def _require_previous(self, key: ApiKey, found: bytes, now: int) -> None:
        """Raise unless the secret is the one before the last rotation, within its grace."""
        if key.previous_hash is None or not compare_digest(found, key.previous_hash):
            raise self._unknown()
        if now >= key.previous_until_ms:
            raise UnauthenticatedError(
                f"this secret of API key {key.name!r} was replaced; "
                f"it was good until {to_rfc3339(key.previous_until_ms)}"
            )

    def _unknown(self) -> NbaError:
        if self._fresh:
            return UnauthenticatedError("there is no such API key")
        return UnavailableError("the API key is not known here, and the control store is away")

    async def refresh(self) -> None:
        """Read all keys again; raises where the store is away, and those known stay."""
        try:
            keys = await asyncio.to_thread(self._store.keys)
        except NbaError:
            self._fresh = False
            raise
        self._keys = {
            key.id.encode(): (key, Actor(f"key:{key.name}", key.permissions)) for key in keys
        }
        self._fresh = True

    async def run(self) -> None:
        """Keep up with the store until cancelled, and tell it which keys were used."""
        loop = asyncio.get_running_loop()
        noted_at = loop.time()
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.refresh()
                if loop.time() - noted_at >= _NOTE_USE_SECONDS:
                    noted_at = loop.time()
                    await self.note_use()
            except NbaError as error:
                _logger.warning("API keys could not be read: %s", error)
            except Exception:
                # Whatever is wrong, the keys known go on.
                _logger.exception("API keys could not be read")

    async def note_use(self) -> None:
        """Tell the store when keys were last used, since it was last told."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await asyncio.to_thread(self._store.used, used)
        except NbaError:
            self._used = {**used, **self._used}
            raise
