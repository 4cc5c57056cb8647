"""``nba demo``: from nothing to decisions that were learned from, in one command.

A world with known truth plays the customers. Its history teaches a model; then a journey engine
asks the real service over HTTP while time runs a day a second; then the same arrivals are played
again in this process under other ways of choosing, so that what was gained can be stated exactly.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from dataclasses import replace
from functools import partial

import polars as pl
from rich.progress import Progress

from nba.bootstrap import (
    LIVE,
    clock_of,
    open_control,
    open_log,
    open_registry,
    system_clock,
)
from nba.catalog.reference import reference_root
from nba.cli.asking import ask, print_explanation
from nba.cli.learning import train_model
from nba.cli.output import StageBar, console, print_json, progress_bar
from nba.cli.playing import (
    READY_SECONDS,
    Played,
    Replays,
    counted,
    play_over_http,
    wait_until_ready,
)
from nba.decision.arbitration import Arbiter
from nba.decision.artifact import pack_plan
from nba.decision.project import Project, load_project
from nba.domain.clock import ManualClock
from nba.domain.ids import NO_ACTION, ActionId
from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.measurement.violations import (
    count_violations,
    read_feature_types,
    read_policies,
    read_segments,
)
from nba.serving.supervisor import Supervisor
from nba.settings import DAY_MS, Settings
from nba.simulator.baselines import constant, no_action, oracle, random
from nba.simulator.history import history_arrivals, run_history
from nba.simulator.regret import measure_regret
from nba.simulator.report import (
    DemoReport,
    PolicyRow,
    latency_percentiles,
    print_report,
    summarise,
)
from nba.simulator.service import InProcessService
from nba.simulator.world import build_world
from nba.training.train import promote

SECONDS_PER_DAY = 86_400
"""How much faster time runs while the journey engine plays: a day a second."""

CUSTOMERS = 3_000
HISTORY_DAYS = 60.0
DRAIN_DAYS = 15.0
WORKERS = 6

_BEFORE_DAYS = 90
_SHORTLIST = 3


class Demonstration:
    """One run of the demonstration, on a data folder of its own.

    Parameters
    ----------
    settings
        Its ``data_dir`` is emptied first.
    history, decisions
        How many decisions of history and of live play.
    seed
        Of the world.
    as_json
        Print the report as JSON and nothing else.
    live_days
        Virtual days the live decisions are spread over, a second each.

    """

    def __init__(
        self,
        settings: Settings,
        *,
        history: int,
        decisions: int,
        seed: int,
        as_json: bool,
        live_days: float = 40.0,
    ) -> None:
        project_dir = settings.project_dir.resolve()
        if not (project_dir / "catalog").is_dir():
            project_dir = reference_root()
        self._settings = settings.model_copy(update={"project_dir": project_dir})
        self._history = history
        self._decisions = decisions
        self._seed = seed
        self._as_json = as_json
        self._live_days = live_days

    def run(self, *, serve: bool) -> DemoReport:
        """Run it; with ``serve`` the service keeps running until it is told to stop."""
        logging.basicConfig(level=logging.WARNING)
        shutil.rmtree(self._settings.data_dir, ignore_errors=True)
        project = load_project(self._settings.project_dir)
        live_ms = system_clock() - round((self._live_days + DRAIN_DAYS + 30) * DAY_MS)
        with progress_bar(quiet=self._as_json) as bar:
            self.make_history(project, live_ms, bar)
            self.train(bar)
            report, explained = self._play(project, live_ms, bar)
        if self._as_json:
            print_json(report.to_builtins())
        else:
            console.print()
            print_report(report, console)
            print_explanation(explained)
        if serve:
            self._serve()
        return report

    def make_history(self, project: Project, live_ms: int, bar: Progress) -> None:
        """Log a history of random choices that ends before the live decisions begin."""
        start_ms = live_ms - _BEFORE_DAYS * DAY_MS
        world = build_world(
            project.catalog, seed=self._seed, start_ms=start_ms, customers=CUSTOMERS
        )
        arrivals = history_arrivals(world, decisions=self._history, days=HISTORY_DAYS)
        artifact = pack_plan(project, {})
        log = open_log(self._settings)
        services: list[InProcessService] = []

        def make(arbiter: Arbiter, clock: ManualClock) -> InProcessService:
            service = InProcessService(artifact, clock=clock, arbiter=arbiter, log=log)
            services.append(service)
            return service

        async def play() -> None:
            progress = counted(bar, "simulating a history of random choices")
            await run_history(world, arrivals, make_service=make, progress=progress)
            await services[0].finish()

        asyncio.run(play())

    def train(self, bar: Progress) -> None:
        """Train a model on the history and make it live."""
        result = train_model(
            self._settings, "conversion", LIVE, seed=self._seed, progress=StageBar(bar)
        )
        registry = open_registry(self._settings)
        promote(registry, result.model, result.version, self._settings.model_alias)

    def _play(
        self, project: Project, live_ms: int, bar: Progress
    ) -> tuple[DemoReport, dict[str, object]]:
        scaled = self._settings.model_copy(
            update={
                "clock_scale": float(SECONDS_PER_DAY),
                "clock_epoch_ms": system_clock(),
                "clock_offset_ms": live_ms,
                "expiry_grace_seconds": 3_600.0,
                "log_level": "warning",
                "mlflow_port": 0,
            }
        )
        supervisor = Supervisor(scaled)
        supervisor.start()
        try:
            url = f"http://{scaled.host}:{scaled.port}"
            wait_until_ready(url, supervisor)
            world = build_world(
                project.catalog, seed=self._seed, start_ms=live_ms, customers=CUSTOMERS
            )
            play = partial(play_over_http, url=url, clock=clock_of(scaled), bar=bar)
            played = asyncio.run(
                play(
                    world,
                    decisions=self._decisions,
                    days=self._live_days,
                    drain_days=DRAIN_DAYS,
                    workers=WORKERS,
                )
            )
            decisions = self._wait_for_log(played)
            explained = ask("GET", url, f"/v1/decisions/{_telling(played)}/explain")
        finally:
            supervisor.stop()
        return self._report(project, played, decisions, bar), explained

    def _wait_for_log(self, played: Played) -> pl.DataFrame:
        """Return the live decisions as logged, once the worker has written them all."""
        log = open_log(self._settings)
        deadline = time.monotonic() + READY_SECONDS
        while True:
            decisions = log.scan(LogTable.DECISIONS).filter(pl.col("source") == "live").collect()
            if decisions["decision_id"].n_unique() >= len(played.memory.played):
                return decisions
            if time.monotonic() > deadline:
                raise UnavailableError("the worker did not write all decisions to the log")
            time.sleep(0.2)

    def _report(
        self, project: Project, played: Played, decisions: pl.DataFrame, bar: Progress
    ) -> DemoReport:
        log = open_log(self._settings)
        violations = count_violations(
            log.sealer.open_columns(decisions),
            policies=read_policies(project.root / "policies"),
            catalog=project.catalog,
            evidence=played.memory.evidence(),
            feature_types=read_feature_types(project.root / "features"),
            segments=read_segments(project.root / "features"),
            outcomes=log.scan(LogTable.OUTCOMES).collect(),
            events=log.scan(LogTable.EVENTS).collect(),
        )
        by_policy: dict[str, int] = {}
        for violation in violations:
            by_policy[violation.policy] = by_policy.get(violation.policy, 0) + 1
        p50_ms, p99_ms = latency_percentiles(played.memory)
        return DemoReport(
            currency=project.catalog.currency,
            rows=(
                summarise("this service", played.memory),
                *self._baselines(played, decisions, bar),
            ),
            violations=len(violations),
            violations_by_policy=by_policy,
            service_p50_ms=played.service_p50_ms,
            service_p99_ms=played.service_p99_ms,
            latency_p50_ms=p50_ms,
            latency_p99_ms=p99_ms,
            decisions_per_second=len(played.memory.played) / played.seconds,
            refused_outcomes=len(played.memory.refused),
        )

    def _baselines(self, played: Played, decisions: pl.DataFrame, bar: Progress) -> list[PolicyRow]:
        """Play the same arrivals again in other ways; the best constant action of a shortlist."""
        control = open_control(self._settings)
        artifact = control.plan(control.current() or "") or b""
        control.close()
        replays = Replays(artifact, played.world, played.arrivals, bar)
        regret = measure_regret(played.world, played.arrivals, played.memory, decisions)
        ranked = sorted(regret.constants, key=regret.constants.__getitem__, reverse=True)
        offers = [ActionId(name) for name in ranked if name != NO_ACTION][:_SHORTLIST]
        constants = [replays.play(f"always {name}", constant(name)) for name in offers]
        best = max(constants, key=lambda row: row.expected_value)
        return [
            replays.play("random", random),
            replace(best, name=f"best constant: {best.name}"),
            replays.play("no action", no_action),
            replays.play("optimum (knows the truth)", oracle),
        ]

    def _serve(self) -> None:
        """Serve what was learned in real time, on the same data, until told to stop."""
        supervisor = Supervisor(self._settings)
        supervisor.start()
        try:
            url = f"http://{self._settings.host}:{self._settings.port}"
            wait_until_ready(url, supervisor)
            console.print(f"The service keeps running at {url} (reference at {url}/docs).")
            if "mlflow" in supervisor.processes:
                console.print(f"MLflow is at http://127.0.0.1:{self._settings.mlflow_port}.")
            console.print("Stop it with Ctrl-C.")
            supervisor.watch()
        finally:
            supervisor.stop()


def _telling(played: Played) -> str:
    """Return a decision worth explaining: the last that was accepted and was not saying nothing."""
    said = [item for item in played.memory.played if item.action != NO_ACTION] or (
        played.memory.played
    )
    accepted = [item for item in said if item.accepted] or said
    return accepted[-1].decision_id
