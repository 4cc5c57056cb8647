"""What each learner earns in the simulated shop, beside a trained model and under the guardrails.

Each order is a world of its own: a history of random choices teaches its model, then the whole
service plays the same arrivals in this process, once with each learner.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import figure
from nba.bandits import BanditSettings
from nba.bootstrap import load_settings, open_registry
from nba.catalog.reference import reference_root
from nba.cli.demonstration import CUSTOMERS, DRAIN_DAYS, Demonstration
from nba.cli.output import progress_bar
from nba.cli.playing import LIVE_STREAM
from nba.decision.artifact import pack_plan
from nba.decision.project import load_project
from nba.domain.clock import ManualClock
from nba.domain.ids import ModelName
from nba.simulator.journey import Journey
from nba.simulator.local import LocalPort
from nba.simulator.memory import JourneyMemory
from nba.simulator.pace import ManualPace
from nba.simulator.report import summarise
from nba.simulator.service import InProcessService
from nba.simulator.world import build_world
from nba.training.corrections import fit_correction

DECISIONS = 4_000
HISTORY = 8_000
DAYS = 40.0
LIVE_MS = 1_760_000_000_000
_MODEL = ModelName("conversion")

LEARNERS: dict[str, dict[str, Any]] = {
    "logistic, forests (default)": {},
    "logistic alone": {"forests": False},
    "linear": {"learner": "linear"},
    "linear, ucb (LinUCB)": {"learner": "linear", "explorer": "ucb"},
    "linear, thompson": {"learner": "linear", "explorer": "thompson"},
    "linear, hybrid by product": {
        "learner": "linear",
        "sharing": "hybrid",
        "dimensions": ("product",),
    },
    "bagged, votes": {"learner": "bagged", "explorer": "votes"},
    "cover": {"learner": "cover", "explorer": "cover", "members": 4},
    "nothing learned": {"forests": False, "prior_precision_bias": 1e12},
}


def settings_of(base: BanditSettings, changes: dict[str, Any]) -> BanditSettings:
    """Return the project's settings with another learner; one that learns nothing is very sure."""
    cap = {} if changes.get("learner", "logistic") == "logistic" else {"reward_cap": 100.0}
    sure = {}
    if "prior_precision_bias" in changes:
        sure = {"prior_precision_slope": 1e12, "prior_precision_weights": 1e12}
    return replace(base, **cap, **sure, **changes)


def played(seed: int) -> dict[str, float]:
    """Return the true expectation of a decision, by learner, in the world of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder), project_dir=reference_root(), mlflow_port=0)
        project = load_project(reference_root())
        demonstration = Demonstration(
            settings, history=HISTORY, decisions=DECISIONS, seed=seed, as_json=True
        )
        with progress_bar(quiet=True) as bar:
            demonstration.make_history(project, LIVE_MS, bar)
            demonstration.train(bar)
        registry = open_registry(settings)
        version = registry.alias_version(_MODEL, settings.model_alias) or ""
        model = registry.load(_MODEL, version)
    found = {}
    for name, changes in LEARNERS.items():
        bandit = settings_of(project.bandit, changes)
        artifact = pack_plan(replace(project, bandit=bandit), {_MODEL: model})
        found[name] = asyncio.run(_expected(artifact, seed))
        print(f"world {seed}, {name}: {found[name]:.3f}", flush=True)
    return found


async def _expected(artifact: bytes, seed: int) -> float:
    clock = ManualClock(LIVE_MS)
    project = load_project(reference_root())
    world = build_world(project.catalog, seed=seed, start_ms=LIVE_MS, customers=CUSTOMERS)
    service = InProcessService(artifact, clock=clock, seed=seed, fitter=fit_correction)
    memory = JourneyMemory()
    port = LocalPort(service, clock=clock)
    journey = Journey(world, port, pace=ManualPace(clock), memory=memory)
    await journey.introduce()
    arrivals = world.arrivals(stream=LIVE_STREAM, count=DECISIONS, start_ms=LIVE_MS, days=DAYS)
    await journey.play(arrivals, drain_days=DRAIN_DAYS)
    return summarise("", memory).expected_value


def figures(orders: int) -> list[dict[str, Any]]:
    """Play as many worlds."""
    worlds = [played(7 + order) for order in range(orders)]
    how = f"true expectation a decision, mean of {orders} worlds of {DECISIONS:,} decisions"
    found = []
    for name in LEARNERS:
        values = np.array([world[name] for world in worlds])
        gains = values - np.array([world["nothing learned"] for world in worlds])
        error = gains.std(ddof=1) / np.sqrt(orders)
        said = f"{how}; above nothing learned by {gains.mean():.3f} (standard error {error:.3f})"
        found.append(figure(f"shop: {name}", float(values.mean()), "EUR", said))
    return found
