"""One connection to Redis or Valkey shared by everything in an event loop.

Commands issued in the same turn of the loop leave in one write, and their replies are parsed by
hiredis as they arrive: about a tenth of the client time of a pooled connection per command, which
is most of what a decision would otherwise spend on its store. There are no blocking commands here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from typing import Any

import hiredis
from redis.asyncio.connection import parse_url

from nba.errors import UnavailableError

Argument = bytes | str | int | float

_RECONNECT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest the server knows it by."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


CLAIM = Script((files("nba.storage") / "lua" / "claim.lua").read_text())
"""Takes, renews or gives back a right that one owner has at a time."""


class ReplyError(UnavailableError):
    """The store answered a command with an error."""


class Connection(asyncio.Protocol):
    """A multiplexed connection; use from one event loop only.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://`` as redis-py reads it.
    timeout_seconds
        A reply later than this fails every command in flight and reconnects.

    """

    def __init__(self, url: str, *, timeout_seconds: float = 2.0) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._timeout_seconds = timeout_seconds
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._outgoing: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._greetings: list[asyncio.Future[Any]] = []
        self._closed = False

    async def connect(self) -> None:
        """Connect and keep connected until :meth:`close`; :class:`UnavailableError` if refused."""
        self._loop = asyncio.get_running_loop()
        await self._open()
        self._watcher = self._loop.create_task(self._watch())

    async def close(self) -> None:
        """Close for good; commands in flight fail."""
        self._closed = True
        if self._watcher is not None:
            self._watcher.cancel()
        if self._transport is not None:
            self._transport.close()
        self._fail(UnavailableError("the store connection is closed"))

    def execute(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Send one command; the future gives its reply or raises :class:`UnavailableError`."""
        loop = self._loop
        if loop is None:
            raise UnavailableError("the store connection was never opened")
        future: asyncio.Future[Any] = loop.create_future()
        if self._transport is None:
            future.set_exception(UnavailableError("the store cannot be reached"))
            return future
        if not self._outgoing:
            loop.call_soon(self._flush)
        self._outgoing.append(hiredis.pack_command(arguments))
        self._waiting.append((future, loop.time()))
        return future

    async def script(self, script: Script, keys: list[str], arguments: list[Argument]) -> Any:
        """Run a Lua script by its digest, sending its source where the server has forgotten it."""
        try:
            return await self.execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self.execute("EVAL", script.source, len(keys), *keys, *arguments)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._dial()
                await asyncio.gather(*self._greetings)
        except OSError as error:
            self._abort()
            reason = str(error) or f"no answer within {self._timeout_seconds:g} s"
            raise UnavailableError(f"the store cannot be reached: {reason}") from error
        except ReplyError as error:
            self._abort()
            raise UnavailableError(f"the store refuses the connection: {error}") from error

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        options = self._options
        if "path" in options:
            await loop.create_unix_connection(lambda: self, options["path"])
            return
        secure = options.get("connection_class", type(None)).__name__ == "SSLConnection"
        await loop.create_connection(
            lambda: self,
            options.get("host", "localhost"),
            options.get("port", 6379),
            ssl=ssl.create_default_context() if secure else None,
        )

    def _greet(self) -> None:
        """Send what must come before any other command: who we are, and which database."""
        options = self._options
        self._greetings = []
        if options.get("password"):
            user = [options["username"]] if options.get("username") else []
            self._greetings.append(self.execute("AUTH", *user, options["password"]))
        if options.get("db"):
            self._greetings.append(self.execute("SELECT", options["db"]))

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _watch(self) -> None:
        attempt = 0
        while not self._closed:
            if self._transport is None:
                await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])
                attempt += 1
                try:
                    await self._open()
                    attempt = 0
                except UnavailableError:
                    continue
            await asyncio.sleep(_WATCH_SECONDS)
            self._abort_if_late()

    def _abort_if_late(self) -> None:
        if self._loop is None or not self._waiting or self._transport is None:
            return
        if self._loop.time() - self._waiting[0][1] > self._timeout_seconds:
            self._abort()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None:
            self._transport.write(b"".join(outgoing))

    def _fail(self, error: UnavailableError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start afresh on a new transport (asyncio calls this)."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101
        self._transport = transport  # type: ignore[assignment]  # uvloop's transport has no base
        self._reader = hiredis.Reader()
        self._outgoing = []
        self._greet()

    def data_received(self, data: bytes) -> None:
        """Hand each complete reply to the oldest waiting command (asyncio calls this)."""
        reader = self._reader
        reader.feed(data)
        while (reply := reader.gets()) is not False:
            future, _ = self._waiting.popleft()
            if future.done():
                continue
            if isinstance(reply, hiredis.ReplyError):
                future.set_exception(ReplyError(str(reply)))
            else:
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits; the watcher reconnects (asyncio calls this)."""
        self._transport = None
        self._outgoing = []
        reason = f": {exc}" if exc else ""
        self._fail(UnavailableError(f"the store connection was lost{reason}"))
