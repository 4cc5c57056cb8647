"""The real API as a process of its own, deciding with the reference project on priors."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from nba.bootstrap import environment, load_settings, open_runtime, system_clock
from nba.decision.plans import PlanPointer
from nba.decision.project import load_project
from nba.settings import Settings
from nba.worker.publisher import Publisher

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60


@contextmanager
def live_api(valkey: str, data: Path, prefix: str, **more: object) -> Iterator[str]:
    """Start it on a free port with more settings; give its URL once it can decide."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = load_settings(
        redis_url=valkey,
        data_dir=data,
        key_prefix=prefix,
        project_dir=ROOT,
        poll_seconds=0.02,
        port=port,
        log_level="warning",
        **more,
    )
    asyncio.run(_publish(settings))
    command = [sys.executable, "-m", "nba", "api"]
    process = subprocess.Popen(command, env=environment(settings), cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


async def _publish(settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        publisher = Publisher(runtime.control, None, alias="champion", clock=system_clock)
        plan = publisher.publish(load_project(ROOT), note="", author="tests")
        await runtime.ledger.set_plan(PlanPointer(plan.digest).to_bytes(), expected=None)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the API ended before it was ready"
        try:
            if httpx.get(f"{url}/readyz", timeout=1.0).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("the API did not become ready")
