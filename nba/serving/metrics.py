"""What the API measures about itself, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from nba.serving.problems import Reply

STAGES = ("read", "features", "decide", "encode", "reserve")
"""The stages of a decision, in order, as they are timed."""

_LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.5)


class Metrics:
    """Counters, gauges and histograms of one API process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "nba_decisions", "Decisions answered", ["result"], registry=self.registry
        )
        self.outcomes = Counter(
            "nba_outcomes", "Outcomes taken in", ["status"], registry=self.registry
        )
        self.events = Counter("nba_events", "Events taken in", ["status"], registry=self.registry)
        self.undeclared = Counter(
            "nba_undeclared",
            "Events, properties and attributes left out because no file declares them",
            ["what"],
            registry=self.registry,
        )
        self.items_in_flight = Gauge(
            "nba_items_in_flight", "Events being taken in", registry=self.registry
        )
        self.ledger_backlog = Gauge(
            "nba_ledger_backlog",
            "Ledger entries the worker has yet to take to the log",
            registry=self.registry,
        )
        self.plan = Gauge(
            "nba_plan_snapshot", "Bandit snapshot that is live", ["digest"], registry=self.registry
        )
        self._latency = Histogram(
            "nba_decision_seconds",
            "Time from request to answer",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        stages = Histogram(
            "nba_decision_stage_seconds",
            "Time by stage of a decision",
            ["stage"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}

    def timer(self) -> StageTimer:
        """Start timing one decision."""
        return StageTimer(self._stages)

    def observe(self, seconds: float) -> None:
        """Note how long one decision took."""
        self._latency.observe(seconds)

    def live(self, digest: str, snapshot: int) -> None:
        """Note which plan is live."""
        self.plan.clear()
        self.plan.labels(digest).set(snapshot)

    def render(self) -> Reply:
        """Return everything in Prometheus' text format."""
        return Reply(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)


class StageTimer:
    """Times the stages of one decision."""

    __slots__ = ("_since", "_stages")

    def __init__(self, stages: dict[str, Histogram]) -> None:
        self._stages = stages
        self._since = time.perf_counter()

    def __call__(self, stage: str) -> None:
        """Note that a stage ended."""
        now = time.perf_counter()
        self._stages[stage].observe(now - self._since)
        self._since = now
