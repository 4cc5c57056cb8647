"""A service around the 50 measured features: its settings, its plan, its processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from benchmarks.features.rounds import on_cores
from nba.bootstrap import environment, load_settings, open_runtime
from nba.catalog.publications import PublicationDraft, Source
from nba.catalog.reference import reference_root
from nba.decision.artifact import pack_plan, version_of
from nba.decision.plans import PlanPointer
from nba.decision.project import load_project
from nba.features import FeatureSet
from nba.settings import Settings

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_STOP_SECONDS = 20.0


def settings_for(folder: Path, redis_url: str, *, prefix: str = "nba", port: int = 0) -> Settings:
    """Return settings of a service with its own control store and its own keys."""
    return load_settings(
        data_dir=folder, redis_url=redis_url, key_prefix=prefix, port=port, log_level="warning"
    )


def publish(settings: Settings, features: FeatureSet) -> None:
    """Make the reference catalog with just these features the live plan."""
    project = load_project(reference_root())
    bare = replace(
        project,
        features=features,
        policies=(),
        models=(),
        bandit=replace(project.bandit, features=()),
    )
    artifact = pack_plan(bare, {})
    version = version_of(artifact)

    async def run() -> None:
        async with open_runtime(settings) as runtime:
            runtime.control.save_plan(version, artifact, note="", author="benchmark", at_ms=0)
            runtime.control.publish(
                PublicationDraft(
                    version=version,
                    source=Source.FILES,
                    expected=0,
                    at_ms=0,
                    actor="benchmark",
                    entries=(),
                )
            )
            await runtime.ledger.set_plan(PlanPointer(version).to_bytes(), expected=None)

    asyncio.run(run())


@contextmanager
def api(settings: Settings, *, core: int) -> Iterator[str]:
    """Run one API process on one core; gives its URL once it is ready."""
    url = f"http://127.0.0.1:{settings.port}"
    with on_cores(core):
        command = [sys.executable, "-m", "nba", "api"]
        process = subprocess.Popen(command, env=environment(settings))
    try:
        _wait(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(_POLL_SECONDS)
    raise SystemExit("the API does not answer")
