"""Decisions a second, beside a bare Starlette route and the same job written the usual way.

One server process on one core; the store and the load generator on the other; contenders take turns
in one run, and ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx
import psutil
import redis

from benchmarks.load import Load, load, post
from benchmarks.report import figure, write
from benchmarks.setting import (
    PLACEMENTS,
    Setting,
    bodies,
    load_customers,
    make_setting,
    write_peer_files,
)
from nba.bootstrap import environment, load_settings, open_runtime
from nba.serving.metrics import STAGES
from nba.settings import Settings
from nba.storage.valkey import start_valkey

PEERS = Path(__file__).parent / "peers"
OURS, FLOOR, USUAL = "nba", "bare Starlette route", "usual hand-written service"
_PORTS = {OURS: 18_080, FLOOR: 18_081, USUAL: 18_082}
_SPREAD_CONTACTS = 50


class Contenders:
    """The three servers, each pinned to the first core."""

    def __init__(self, setting: Setting, settings: Settings, folder: Path) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "answer.json").write_bytes(_example(setting))
        python = sys.executable
        url = settings.redis_url or ""
        floor = [python, str(PEERS / "starlette_floor.py"), str(_PORTS[FLOOR])]
        usual = [python, str(PEERS / "handwritten.py"), str(_PORTS[USUAL]), str(folder), url]
        self._start(OURS, ["taskset", "-c", "0", python, "-m", "nba", "api"], settings)
        self._start(FLOOR, [*floor, str(folder / "answer.json")], settings)
        self._start(USUAL, usual, settings)

    def _start(self, name: str, command: list[str], settings: Settings) -> None:
        self._processes[name] = subprocess.Popen(command, env=environment(settings))

    def wait(self, body: bytes) -> None:
        for name, port in _PORTS.items():
            deadline = time.monotonic() + 60
            while True:
                try:
                    reply = httpx.post(
                        f"http://127.0.0.1:{port}/v1/decisions",
                        content=body,
                        headers={"content-type": "application/json"},
                    )
                    if reply.is_success:
                        break
                    answered = f"{reply.status_code} {reply.text}"
                except httpx.HTTPError as error:
                    answered = str(error)
                if time.monotonic() > deadline:
                    raise SystemExit(f"{name} does not answer: {answered}")
                time.sleep(0.2)

    def resident_mb(self, name: str) -> float:
        return psutil.Process(self._processes[name].pid).memory_info().rss / 2**20

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(20)


def _example(setting: Setting) -> bytes:
    """Return an answer as long as ours."""
    action = setting.plan.placements[PLACEMENTS[50]].actions[5]
    body = {"decision_id": "0" * 24, "choices": [{"action": action.id}]}
    return repr(body).encode().ljust(600)


def measure(
    setting: Setting, *, rounds: int, seconds: float
) -> dict[tuple[int, int, str], list[Load]]:
    """Let the contenders take turns; results by candidates, connections and name."""
    found: dict[tuple[int, int, str], list[Load]] = defaultdict(list)
    for turn in range(rounds):
        for size, placement in PLACEMENTS.items():
            requests = [
                post("/v1/decisions", body) for body in bodies(setting, placement, 2_000, turn)
            ]
            for connections in (16, 64):
                for name, port in _PORTS.items():
                    run = load(port, requests, connections=connections, seconds=seconds)
                    if run.failed:
                        raise SystemExit(f"{name}: {run.failed} of {run.requests} failed")
                    found[size, connections, name].append(run)
    return found


def ratio(runs: dict[tuple[int, int, str], list[Load]], key: tuple[int, int], peer: str) -> float:
    """Return the median over rounds of ours over a peer's requests a second."""
    pairs = zip(runs[*key, OURS], runs[*key, peer], strict=True)
    return statistics.median(ours.per_second / theirs.per_second for ours, theirs in pairs)


def stages() -> dict[str, float]:
    """Return mean microseconds by stage, from the service's own metrics."""
    text = httpx.get(f"http://127.0.0.1:{_PORTS[OURS]}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {
        stage: 1e6
        * float(values[f'nba_decision_stage_seconds_sum{{stage="{stage}"}}'])
        / float(values[f'nba_decision_stage_seconds_count{{stage="{stage}"}}'])
        for stage in STAGES
    }


def customer_bytes(settings: Settings) -> float:
    """Return the median bytes online of customers with about 50 contacts, keys included."""
    store = redis.from_url(settings.redis_url or "")
    sizes = []
    for key in store.scan_iter(match="nba:*h:*", count=1_000):
        profile = key.replace(b"}h:", b"}p:", 1)
        contacts = (store.strlen(key) - 8) // 12
        if abs(contacts - _SPREAD_CONTACTS) <= 3:
            sizes.append(store.memory_usage(key) + store.memory_usage(profile))
    return float(statistics.median(sizes)) if sizes else float("nan")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=2.0)
    given = arguments.parse_args()
    setting = make_setting()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.sched_setaffinity(0, {1})
        server = start_valkey(folder / "valkey")
        settings = load_settings(
            data_dir=folder,
            redis_url=f"redis://127.0.0.1:{server.port}",
            port=_PORTS[OURS],
            log_level="warning",
        )
        asyncio.run(_prepare(setting, settings))
        _load_usual(setting, settings, folder)
        contenders = Contenders(setting, settings, folder)
        try:
            contenders.wait(bodies(setting, PLACEMENTS[50], 1, 0)[0])
            measure(setting, rounds=1, seconds=0.5)
            runs = measure(setting, rounds=given.rounds, seconds=given.seconds)
            spent = stages()
            resident = contenders.resident_mb(OURS)
            per_customer = customer_bytes(settings)
        finally:
            contenders.stop()
            server.stop()
    _tell(runs, spent, resident, per_customer, given)


async def _prepare(setting: Setting, settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        await load_customers(setting, runtime)


def _load_usual(setting: Setting, settings: Settings, folder: Path) -> None:
    """Put the same features where the hand-written service looks for them: a hash each."""
    write_peer_files(setting, folder)
    store = redis.from_url(settings.redis_url or "")
    wanted = [item.name for item in setting.model.inputs if item.level == "situation"]
    names = list(setting.plan.features.names)
    pipeline = store.pipeline()
    for record in setting.world.records:
        key = next(iter(store.scan_iter(match=f"nba:*p:{record.customer_id}", count=100_000)), None)
        profile = store.get(key) if key else None
        row = setting.plan.features.read(profile, at_ms=0).features
        values = {n: str(float(row[names.index(n)])) for n in wanted}
        pipeline.hset(f"features:{record.customer_id}", mapping=values)
    pipeline.execute()


def _tell(
    runs: dict[tuple[int, int, str], list[Load]],
    spent: dict[str, float],
    resident: float,
    per_customer: float,
    given: argparse.Namespace,
) -> None:
    header = (
        f"{'candidates':>10} {'connections':>11}  {'':<28} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7}"
    )
    print(header)
    for (size, connections, name), several in runs.items():
        middle = statistics.median(run.per_second for run in several)
        p50 = statistics.median(run.p50_ms for run in several)
        p99 = statistics.median(run.p99_ms for run in several)
        print(f"{size:>10} {connections:>11}  {name:<28} {middle:>8.0f} {p50:>7.2f} {p99:>7.2f}")
    print("µs by stage: " + ", ".join(f"{stage} {value:.0f}" for stage, value in spent.items()))
    how = (
        f"median ratio of {given.rounds} interleaved rounds of {given.seconds:g} s; one server "
        "process on one core, store and generator on the other"
    )
    figures = []
    for connections in (16, 64):
        for size in PLACEMENTS:
            goal = 1.5 if size == 50 else None
            name = f"{size} candidates, {connections} connections: nba / usual"
            value = ratio(runs, (size, connections), USUAL)
            figures.append(figure(name, value, "ratio", how, at_least=goal))
            name = f"{size} candidates, {connections} connections: nba / bare route"
            value = ratio(runs, (size, connections), FLOOR)
            figures.append(figure(name, value, "ratio", how))
    figures.append(
        figure("API process resident", resident, "MB", "after the load above", at_most=350)
    )
    figures.append(
        figure(
            "a customer with 50 contacts online",
            per_customer,
            "bytes",
            "median MEMORY USAGE of profile and contact history, keys included",
            at_most=2_000,
        )
    )
    figures += [
        figure(f"stage: {stage}", value, "µs", "mean, at up to 64 connections")
        for stage, value in spent.items()
    ]
    write("decisions", figures)


if __name__ == "__main__":
    main()
