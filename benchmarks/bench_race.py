"""The race: 64 clients at 4 API processes for 50 customers, under caps, budgets and publications.

``make race`` (ARGS="--decisions 100000 --publications 50"). The clients ask as fast as they can or,
with ``--rate``, so many times a second. While it runs, a process copies the ledger; afterwards an
independent script counts again what was allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.race.project import forbidden, write_project
from benchmarks.report import figure, write
from nba.bootstrap import environment, load_settings, open_runtime, system_clock
from nba.decision.project import load_project
from nba.settings import Settings
from nba.storage.valkey import start_valkey
from nba.worker.pointing import Pointing
from nba.worker.publisher import Publisher

PROCESSES = 4
PREFIX = "race"
_READY_SECONDS = 300
_SETTLE_SECONDS = 45
_SEED = 11


class Service:
    """Worker, API processes and the copier, as processes of their own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.ports = [_free_port() for _ in range(PROCESSES)]
        self._stop = folder / "stop"
        self.events = folder / "events.jsonl"
        python = [sys.executable, "-m"]
        subprocess.run([*python, "nba", "prepare"], env=environment(settings), check=True)
        follow = [*python, "benchmarks.race.recount", "follow", settings.redis_url or "", PREFIX]
        follow += [str(settings.partitions), str(self.events), str(self._stop)]
        self._copier = subprocess.Popen(follow)
        self._processes = [
            subprocess.Popen([*python, "nba", "worker"], env=environment(settings)),
            *(
                subprocess.Popen(
                    [*python, "nba", "api"],
                    env=environment(settings.model_copy(update={"port": port})),
                )
                for port in self.ports
            ),
        ]

    def wait_until_ready(self) -> str:
        """Wait until all decide under what the worker has published; return its digest."""
        deadline = time.monotonic() + _READY_SECONDS
        while None in (versions := [_version(port) for port in self.ports]):
            if time.monotonic() > deadline:
                raise SystemExit(f"not all replicas became ready: {versions}")
            time.sleep(0.2)
        return str(versions[0]).partition(".")[0]

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(40)
        self._stop.touch()
        if self._copier.wait(120):
            raise SystemExit("the ledger was not copied to its end, so nothing is counted")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _version(port: int) -> str | None:
    try:
        reply = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2.0)
    except httpx.HTTPError:
        return None
    return reply.json()["plan_version"] if reply.is_success else None


async def _until_live(client: httpx.AsyncClient, port: int, digest: str, since: float) -> float:
    """Return how long after ``since`` a replica answers with a plan, in seconds."""
    while True:
        reply = await client.get(f"http://127.0.0.1:{port}/readyz")
        if reply.is_success and reply.json()["plan_version"].startswith(digest):
            return time.monotonic() - since
        await asyncio.sleep(0.01)


class Publications:
    """Publishes one version after another while the race runs."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.versions: dict[str, dict[str, Any]] = {}
        self.seconds: list[float] = []
        self.slowest: list[float] = []

    def prepare(self, number: int) -> Path:
        return write_project(self._folder / f"version-{number}", number)

    def note(self, digest: str, number: int) -> None:
        self.versions[digest] = {"number": number, "forbidden": forbidden(number)}

    async def run(self, service: Service, count: int, every_seconds: float) -> None:
        # One client for all: to make one is to read every certificate of the machine.
        async with (
            open_runtime(self._settings) as runtime,
            httpx.AsyncClient(timeout=30.0) as client,
        ):
            publisher = Publisher(runtime.control, None, alias="champion", clock=system_clock)
            pointing = Pointing(runtime.ledger, runtime.control)
            for number in range(1, count + 1):
                await asyncio.sleep(every_seconds)
                project = load_project(self.prepare(number))
                plan = await asyncio.to_thread(
                    lambda project=project, number=number: publisher.publish(
                        project, note=f"version {number}", author="race"
                    )
                )
                published = time.monotonic()
                await pointing.at_current()
                self.note(plan.digest, number)
                live = [_until_live(client, port, plan.digest, published) for port in service.ports]
                times = await asyncio.gather(*live)
                self.seconds += times
                self.slowest.append(max(times))


async def race(
    service: Service,
    publications: Publications,
    *,
    decisions: int,
    count: int,
    clients: int,
    rate: int,
) -> dict[str, Any]:
    """Let the clients race while versions are published; return what the clients saw."""
    numbers = map(str, (decisions, _SEED, clients, rate, *service.ports))
    command = [sys.executable, "-m", "benchmarks.race.clients", *numbers]
    asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    every = max(decisions / (rate or 600.0) / max(count, 1) * 0.6, 0.2)
    publishing = asyncio.create_task(publications.run(service, count, every))
    out, _ = await asking.communicate()
    if asking.returncode:
        raise SystemExit("the clients failed")
    await publishing
    seen: dict[str, Any] = json.loads(out)
    return seen


def recount(settings: Settings, service: Service, folder: Path) -> dict[str, Any]:
    """Run the independent script; it is given what a stranger would have."""
    script = Path(__file__).parent / "race" / "recount.py"
    url, root = settings.redis_url or "", str(settings.project_dir)
    files = [str(service.events), str(folder / "versions.json")]
    command = [sys.executable, str(script), "check", url, PREFIX, root, *files]
    found: dict[str, Any] = json.loads(subprocess.check_output(command))
    return found


def figures(
    seen: dict[str, Any], found: dict[str, Any], publications: Publications
) -> list[dict[str, Any]]:
    """Return what is to be shown, with the goals."""
    how = f"recount of {found['decisions']} decisions of the ledger by benchmarks/race/recount.py"
    shown = [
        figure("decisions recorded", found["decisions"], "", how),
        figure("decided twice", found["decided_twice"], "", how, at_most=0),
        figure("contacts", found["contacts"], "", how),
        figure("outcomes", found["outcomes"], "", how),
        figure("clients that hung up", seen.get("hung up", 0), "", "counted by the clients"),
        figure("requests asked again after silence", seen.get("no answer", 0), "", "5 s"),
        figure("clients that asked twice", seen.get("asked twice", 0), "", "at two processes"),
    ]
    for cap, violations in found["cap_violations"].items():
        shown.append(figure(f"violations of cap {cap}", violations, "", how, at_most=0))
    for name, budget in found["budgets"].items():
        fullest = f"{how}; fullest of {budget['periods']} periods, limit {budget['limit']}"
        shown += [
            figure(f"overspent: budget {name}", budget["overspent"], "", how, at_most=0),
            figure(
                f"most spent of budget {name}",
                budget["fullest_period"],
                "units",
                fullest,
                at_most=budget["limit"],
            ),
            figure(
                f"counters that differ: budget {name}",
                budget["counters_that_differ"],
                "",
                "the store's own counters against the recount",
                at_most=0,
            ),
        ]
    times = np.array(publications.seconds)
    live = f"{len(publications.slowest)} publications, {len(times)} swaps, while racing"
    shown += [
        figure("answers mixing two versions", found["mixed_answers"], "", how, at_most=0),
        figure(
            "answers that differ when asked again",
            seen.get("answered differently", 0),
            "",
            "by the clients that asked twice",
            at_most=0,
        ),
        figure("requests failed", seen.get("failed", 0), "", "not 200 and not 429", at_most=0),
        figure("outcomes failed", seen.get("outcomes failed", 0), "", "not accepted", at_most=0),
        figure("requests asked again in all", seen.get("asked again", 0), "", "429 or silence"),
        figure("answers a second", seen["answered"] / seen["seconds"], "/s", "all processes"),
        figure("answer, median", seen["answer_ms_50"], "ms", "at the clients, while racing"),
        figure("answer, 99 %", seen["answer_ms_99"], "ms", "at the clients, while racing"),
    ]
    if len(times):
        shown += [
            figure("published to live, median", float(np.median(times)), "s", live),
            figure(
                "published to live, p99", float(np.percentile(times, 99)), "s", live, at_most=1.0
            ),
        ]
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--publications", type=int, default=50)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rate", type=int, default=0, help="decisions a second; 0 for all it can")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = start_valkey(folder / "valkey")
        settings = load_settings(
            redis_url=f"redis://127.0.0.1:{store.port}",
            data_dir=folder / "data",
            project_dir=write_project(folder / "version-0", 0),
            key_prefix=PREFIX,
            redis_timeout_seconds=10.0,
            flush_seconds=5.0,
            log_level="warning",
        )
        publications = Publications(settings, folder)
        service = Service(settings, folder)
        try:
            publications.note(service.wait_until_ready(), 0)
            seen = asyncio.run(
                race(
                    service,
                    publications,
                    decisions=options.decisions,
                    count=options.publications,
                    clients=options.clients,
                    rate=options.rate,
                )
            )
            time.sleep(_SETTLE_SECONDS)  # the longest hold of a budget, and its grace
        finally:
            service.stop()
        (folder / "versions.json").write_text(json.dumps(publications.versions))
        found = recount(settings, service, folder)
        store.stop()
    if found["decisions"] < options.decisions:
        raise SystemExit(f"only {found['decisions']} of {options.decisions} decisions were copied")
    write("race", figures(seen, found, publications))


if __name__ == "__main__":
    main()
