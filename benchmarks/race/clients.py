"""Clients of 50 customers: they decide, repeat themselves, hang up, and report outcomes."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import uvloop

from benchmarks.race.project import PLACEMENTS

CUSTOMERS = 50
HANG_UP, TWICE = 0.04, 0.04
OUTCOMES = (("delivered", 0.5), ("bounced", 0.25), ("click", 0.1))
PATIENCE_SECONDS = 5.0
SILENCE = 0


class Api:
    """Connections to one API process; one on which something went wrong is not used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes, *, hang_up: bool = False) -> tuple[int, bytes]:
        """Send a request and return status and body; without an answer, 0 and nothing."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        if hang_up:
            await asyncio.sleep(random.random() * 0.02)
            writer.close()
            return SILENCE, b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                top = await reader.readuntil(b"\r\n\r\n")
                at = top.lower().index(b"content-length:")
                length = int(top[at + 15 : top.index(b"\r\n", at)])
                answer = await reader.readexactly(length)
        except (OSError, EOFError):  # too late, or closed because it was idle for long
            writer.close()
            return SILENCE, b""
        self._idle.append((reader, writer))
        return int(top[9:12]), answer


class Race:
    """What all clients share."""

    def __init__(
        self, ports: list[int], decisions: int, seed: int, clients: int, rate: int
    ) -> None:
        self._apis = [Api(port) for port in ports]
        self._left = decisions
        self._clients = clients
        self._every_seconds = 1 / rate if rate else 0.0
        self._next = time.monotonic()
        self._random = random.Random(seed)
        self._numbers = 0
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self._outcomes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._client())
        await asyncio.gather(*self._outcomes)

    async def _client(self) -> None:
        while self._left > 0:
            self._left -= 1
            await self._turn()
            self._numbers += 1
            places = self._random.sample(PLACEMENTS, self._random.choice([1, 1, 2]))
            body = json.dumps(
                {
                    "customer_id": f"c{self._random.randrange(CUSTOMERS)}",
                    "placements": [
                        {"id": place, "count": self._random.choice([1, 2])} for place in places
                    ],
                    "request_id": f"r{self._numbers}",
                }
            ).encode()
            answers = await self._decide(body)
            if len(set(answers)) > 1:
                self.counts["answered differently"] += 1
            for number, choice in enumerate(json.loads(answers[0])["choices"]):
                if choice["action"] != "no_action":
                    self.counts["contacts"] += 1
                    self._report_later(json.loads(answers[0])["decision_id"], number)

    async def _turn(self) -> None:
        """Wait until it is time for one more request, where there is a rate to keep."""
        if not self._every_seconds:
            return
        self._next = max(self._next + self._every_seconds, time.monotonic() - 1.0)
        await asyncio.sleep(max(self._next - time.monotonic(), 0.0))

    async def _decide(self, body: bytes) -> list[bytes]:
        """Ask until answered; some hang up first, some ask two processes at once."""
        chance = self._random.random()
        if chance < HANG_UP:
            self.counts["hung up"] += 1
            await self._api().post("/v1/decisions", body, hang_up=True)
        wanted = 2 if chance > 1.0 - TWICE else 1
        self.counts["asked twice"] += wanted == 2
        return list(await asyncio.gather(*[self._asked(body) for _ in range(wanted)]))

    async def _asked(self, body: bytes) -> bytes:
        while True:
            asked = time.perf_counter()
            status, answer = await self._api().post("/v1/decisions", body)
            if status == 200:
                self.counts["answered"] += 1
                self.seconds.append(time.perf_counter() - asked)
                return answer
            if status == SILENCE:
                self.counts["no answer"] += 1
            elif status != 429:
                self.counts["failed"] += 1
                sys.stderr.write(f"{status} {answer.decode()[:300]}\n")
            self.counts["asked again"] += 1
            await asyncio.sleep(0.02)

    def _report_later(self, decision_id: str, choice: int) -> None:
        for kind, share in OUTCOMES:
            if self._random.random() < share:
                task = asyncio.create_task(self._report(decision_id, choice, kind))
                self._outcomes.add(task)
                task.add_done_callback(self._outcomes.discard)

    async def _report(self, decision_id: str, choice: int, kind: str) -> None:
        await asyncio.sleep(self._random.choice([0.0, 0.1, 0.5, 1.5, 1.95, 2.05, 3.0]))
        body = {
            "outcome_id": f"{decision_id}-{choice}-{kind}",
            "decision_id": decision_id,
            "choice": choice,
            "kind": kind,
            "at": datetime.now(UTC).isoformat(),
        }
        packed = json.dumps({"outcomes": [body]}).encode()
        for _ in range(1 + (self._random.random() < TWICE)):
            status = SILENCE
            while status == SILENCE:
                status, answer = await self._api().post("/v1/outcomes", packed)
            if status not in (200, 202):
                self.counts["outcomes failed"] += 1
                sys.stderr.write(f"{status} {answer.decode()[:300]}\n")

    def _api(self) -> Api:
        return self._random.choice(self._apis)


def main() -> None:
    decisions, seed, clients, rate, *ports = (int(argument) for argument in sys.argv[1:])
    race = Race(ports, decisions, seed, clients, rate)
    started = time.monotonic()
    with suppress(KeyboardInterrupt):
        uvloop.run(race.run())
    summary: dict[str, Any] = dict(race.counts)
    for share in (50, 99):
        ranked = sorted(race.seconds)
        summary[f"answer_ms_{share}"] = 1e3 * ranked[(len(ranked) - 1) * share // 100]
    print(json.dumps({**summary, "seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
