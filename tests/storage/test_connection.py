"""The multiplexed connection on a real server: in order, never desynchronised, quick to fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nba.errors import UnavailableError
from nba.storage import Connection, Script
from nba.storage.connection import ReplyError
from nba.storage.valkey import start_valkey

SHORT_SECONDS = 0.3


def with_connection(
    url: str, check: Callable[[Connection], Awaitable[None]], *, timeout_seconds: float = 2.0
) -> None:
    async def main() -> None:
        connection = Connection(url, timeout_seconds=timeout_seconds)
        await connection.connect()
        try:
            await check(connection)
        finally:
            await connection.close()

    asyncio.run(main())


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def answers(connection: Connection) -> bool:
    try:
        return await connection.execute("PING") == b"PONG"
    except UnavailableError:
        return False


def test_replies_go_to_the_commands_they_answer_however_many_are_in_flight(valkey):
    async def check(connection: Connection) -> None:
        sent = [connection.execute("ECHO", f"{n}") for n in range(2_000)]
        assert await asyncio.gather(*sent) == [f"{n}".encode() for n in range(2_000)]

    with_connection(valkey, check)


def test_commands_of_one_turn_of_the_loop_leave_in_one_write(valkey):
    async def check(connection: Connection) -> None:
        writes = []
        transport = connection._transport
        assert transport is not None
        write = transport.write
        connection._transport = type(
            "Counting",
            (),
            {
                "write": lambda _, data: (writes.append(len(data)), write(data)),
                "close": lambda _: transport.close(),
            },
        )()
        await asyncio.gather(*[connection.execute("ECHO", "x") for _ in range(100)])
        connection._transport = transport
        assert len(writes) == 1

    with_connection(valkey, check)


def test_large_and_binary_values_come_back_whole(valkey):
    async def check(connection: Connection) -> None:
        value = bytes(range(256)) * 8_000
        await connection.execute("SET", "big", value)
        small = connection.execute("ECHO", "after")
        assert await connection.execute("GET", "big") == value
        assert await small == b"after"
        assert await connection.execute("GET", "never-set") is None

    with_connection(valkey, check)


def test_a_script_is_sent_only_where_the_server_has_forgotten_it(valkey):
    script = Script("return {KEYS[1], ARGV[1]}")

    async def check(connection: Connection) -> None:
        await connection.execute("SCRIPT", "FLUSH")
        assert await connection.script(script, ["k"], ["1"]) == [b"k", b"1"]
        assert await connection.execute("SCRIPT", "EXISTS", script.sha) == [1]
        both = [connection.script(script, ["k"], [str(n)]) for n in range(5)]
        await connection.execute("SCRIPT", "FLUSH")
        assert await asyncio.gather(*both) == [[b"k", f"{n}".encode()] for n in range(5)]

    with_connection(valkey, check)


def test_an_error_reply_fails_its_own_command_only(valkey):
    async def check(connection: Connection) -> None:
        await connection.execute("SET", "text", "x")
        before = connection.execute("ECHO", "before")
        wrong = connection.execute("LPUSH", "text", "1")
        after = connection.execute("ECHO", "after")
        with pytest.raises(ReplyError, match="WRONGTYPE"):
            await wrong
        assert (await before, await after) == (b"before", b"after")

    with_connection(valkey, check)


def test_a_script_that_fails_is_not_mistaken_for_a_forgotten_one(valkey):
    async def check(connection: Connection) -> None:
        with pytest.raises(ReplyError, match="no such thing"):
            await connection.script(Script("return redis.error_reply('no such thing')"), [], [])

    with_connection(valkey, check)


def test_a_cancelled_waiter_does_not_shift_the_replies_of_others(valkey):
    async def check(connection: Connection) -> None:
        first, gone, last = (connection.execute("ECHO", word) for word in ("a", "b", "c"))
        gone.cancel()
        assert (await first, await last) == (b"a", b"c")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.execute("BLPOP", "nothing", "0.1"), 0.01)
        assert await connection.execute("ECHO", "d") == b"d"

    with_connection(valkey, check)


def test_a_refused_connection_is_unavailable():
    with pytest.raises(UnavailableError, match="cannot be reached"):
        with_connection("redis://127.0.0.1:1", answers)


def test_a_connection_never_opened_says_so():
    with pytest.raises(UnavailableError, match="never opened"):
        Connection("redis://127.0.0.1:1").execute("PING")


def test_a_closed_connection_fails_what_is_in_flight(valkey):
    async def check(connection: Connection) -> None:
        waiting = connection.execute("BLPOP", "nothing", "0.2")
        await connection.close()
        with pytest.raises(UnavailableError, match="closed"):
            await waiting

    with_connection(valkey, check)


def test_a_killed_server_fails_commands_at_once_and_is_found_again_on_its_port(tmp_path: Path):
    server = start_valkey(tmp_path)
    port = server.port

    async def check(connection: Connection) -> None:
        nonlocal server
        await connection.execute("SET", "kept", "1")
        waiting = [connection.execute("BLPOP", "nothing", "5") for _ in range(3)]
        started = time.monotonic()
        server.terminate()
        for future in waiting:
            with pytest.raises(UnavailableError):
                await future
        with pytest.raises(UnavailableError):
            await connection.execute("PING")
        assert time.monotonic() - started < 2.0
        server = await asyncio.to_thread(start_valkey, tmp_path, port=port)
        await until(lambda: answers(connection))
        assert await connection.execute("GET", "kept") == b"1"

    with_connection(f"redis://127.0.0.1:{port}", check)
    server.stop()


def _with_silent_server(check: Callable[[str], Awaitable[None]]) -> None:
    handlers: list[asyncio.Task[None] | None] = []

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await check(f"redis://127.0.0.1:{port}")
        server.close()
        await asyncio.gather(*[handler for handler in handlers if handler is not None])

    asyncio.run(main())


def test_a_server_that_never_answers_fails_commands_after_the_timeout():
    async def check(url: str) -> None:
        connection = Connection(url, timeout_seconds=SHORT_SECONDS)
        await connection.connect()
        started = time.monotonic()
        for future in [connection.execute("PING") for _ in range(3)]:
            with pytest.raises(UnavailableError):
                await future
        assert SHORT_SECONDS < time.monotonic() - started < SHORT_SECONDS + 1.0
        await connection.close()

    _with_silent_server(check)


def test_a_server_that_never_answers_the_greeting_is_unavailable_after_the_timeout():
    async def check(url: str) -> None:
        asking = url.replace("redis://", "redis://:secret@")
        connection = Connection(asking, timeout_seconds=SHORT_SECONDS)
        with pytest.raises(UnavailableError, match=r"no answer within 0\.3 s"):
            await connection.connect()
        await connection.close()

    _with_silent_server(check)


def test_a_refused_password_is_said_and_nothing_is_sent_without_it(valkey):
    with pytest.raises(UnavailableError, match="refuses the connection"):
        with_connection(valkey.replace("redis://", "redis://:wrong@"), answers)


def test_the_database_is_selected_before_any_command_also_after_a_reconnection(valkey):
    async def check(connection: Connection) -> None:
        await connection.execute("SET", "where", "three")
        await connection.execute("CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal")

        async def back() -> bool:
            # Asked in every turn of the loop, so also in the first one of the new connection.
            try:
                found = await asyncio.gather(
                    connection.execute("GET", "where"), connection.execute("GET", "where")
                )
            except UnavailableError:
                await asyncio.sleep(0)
                return False
            assert found == [b"three", b"three"]
            return True

        await until(back)

    with_connection(f"{valkey}/3", check)
