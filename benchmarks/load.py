"""A load generator: keep-alive connections that each send the next request when one is answered.

Written on bare asyncio protocols so that on two cores the generator is not what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of load measured; latencies in milliseconds."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = buffer
            return
        at = buffer.lower().find(b"content-length:", 0, head)
        length = int(buffer[at + 15 : buffer.find(b"\r\n", at)])
        if len(buffer) < head + 4 + length:
            self._buffer = buffer
            return
        self._buffer = b""
        self._run.answered(time.perf_counter() - self._started, ok=buffer[9:12] == b"200")
        if self._run.going:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._run.closed()


class _Run:
    def __init__(self, requests: Sequence[bytes], connections: int) -> None:
        self.requests = cycle(requests)
        self.going = True
        self.latencies: list[float] = []
        self.failed = 0
        self._open = connections
        self.done = asyncio.get_running_loop().create_future()

    def answered(self, seconds: float, *, ok: bool) -> None:
        self.latencies.append(seconds)
        self.failed += not ok

    def closed(self) -> None:
        self._open -= 1
        if self._open == 0:
            self.done.set_result(None)


def post(path: str, body: bytes) -> bytes:
    """Return a keep-alive POST request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests over so many connections for so long."""

    async def main() -> Load:
        loop = asyncio.get_running_loop()
        run = _Run(requests, connections)
        started = time.perf_counter()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
        await asyncio.sleep(seconds)
        run.going = False
        await run.done
        elapsed = time.perf_counter() - started
        p50, p99 = np.percentile(np.array(run.latencies) * 1_000, [50, 99])
        return Load(len(run.latencies), elapsed, run.failed, float(p50), float(p99))

    return uvloop.run(main())
