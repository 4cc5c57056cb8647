"""Register a small model in the MLflow store that the environment's settings name."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from nba.bootstrap import artifact_root, load_settings, tracking_uri
from nba.decision.artifact import pack_plan
from nba.decision.project import load_project
from nba.ledger.memory_log import MemoryLog
from nba.simulator.history import history_arrivals, run_history
from nba.simulator.service import InProcessService
from nba.simulator.world import build_world
from nba.training.tracking import Tracking
from nba.training.train import train

START_MS = 1_750_000_000_000


def main() -> None:
    """Simulate a short history, fit on it, and register the result."""
    settings = load_settings()
    project = load_project(settings.project_dir)
    artifact = pack_plan(project, {})
    world = build_world(project.catalog, seed=1, start_ms=START_MS, customers=300)
    log = MemoryLog()
    services: list[InProcessService] = []

    def make(arbiter, clock):
        services.append(InProcessService(artifact, clock=clock, arbiter=arbiter, log=log))
        return services[-1]

    async def play() -> None:
        arrivals = history_arrivals(world, decisions=1_500, days=30.0)
        await run_history(world, arrivals, make_service=make)
        await services[0].finish()

    asyncio.run(play())
    spec = replace(
        project.models[0],
        min_rows=500,
        min_positives=20,
        parameters={"n_estimators": 10, "num_leaves": 7, "learning_rate": 0.1},
    )
    tracking = Tracking(
        tracking_uri=tracking_uri(settings), artifacts=artifact_root(settings).as_uri()
    )
    train(spec, log, tracking, dataset="test", root=project.root)


main()
