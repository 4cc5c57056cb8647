"""What the worker measures about itself and about the features, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from nba.bandits import Learner
from nba.errors import UnavailableError
from nba.measurement.feature_health import HealthReport
from nba.worker.choosing import PlacementSpread, Spread
from nba.worker.fairness import GroupRate

_FLUSH_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class WorkerMetrics:
    """Counters, gauges and histograms of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._entries = Counter(
            "nba_worker_entries", "Ledger entries processed", registry=self.registry
        )
        self._lag = Gauge(
            "nba_worker_lag_seconds",
            "Age of the oldest ledger entry of the last step when it was read; 0 for none",
            registry=self.registry,
        )
        self._buffered = Gauge(
            "nba_worker_buffered_rows", "Rows not yet in the log", registry=self.registry
        )
        self._rows = Counter(
            "nba_worker_log_rows", "Rows appended to the log", registry=self.registry
        )
        self._flush = Histogram(
            "nba_worker_flush_seconds",
            "Time to append what waits to the log",
            buckets=_FLUSH_BUCKETS,
            registry=self.registry,
        )
        self._refused = Counter(
            "nba_worker_refusals", "Times a store refused some work", registry=self.registry
        )
        self._day = Gauge(
            "nba_feature_profile_day_timestamp_seconds",
            "Start of the day that the latest feature profiles are of",
            registry=self.registry,
        )
        self._features = {
            name: Gauge(f"nba_feature_{name}", text, ["feature"], registry=self.registry)
            for name, text in {
                "psi": "Population stability index of the day against training",
                "js_distance": "Jensen-Shannon distance of the day from training, 0 to 1",
                "null_rate": "Share of the day's decisions without a value",
                "age_seconds": "Time since what feeds it last arrived, at the end of the day",
                "stale": "1 where its freshness bound is passed",
            }.items()
        }

        self._rate = Gauge(
            "nba_fairness_selection_rate",
            "Mean chance with which something a fairness policy selects was drawn, by group",
            ["policy", "group"],
            registry=self.registry,
        )
        self._breach = Gauge(
            "nba_fairness_breach",
            "1 where a group is above a fairness policy's bound, -1 where below, 0 within",
            ["policy", "group"],
            registry=self.registry,
        )

        self._learner = {
            name: Gauge(f"nba_bandit_{name}", text, registry=self.registry)
            for name, text in {
                "updates": "Resolved choices the bandit has learned from",
                "refits": "Times its forests were fitted or given up",
                "change_alarms": "Times it noticed that the world had changed",
                "lag_seconds": "Age of the oldest ledger entry that it may not have learned from",
            }.items()
        }
        self._choices = {
            name: Gauge(f"nba_choices_{name}", text, ["placement"], registry=self.registry)
            for name, text in {
                "entropy": "Mean entropy of action probabilities, as a share of that of equal ones",
                "top_share": "Share of the most frequent action among the latest choices",
                "surprise": "Standard errors between what came of choices and what was expected",
                "broken": "1 where nearly all get the same and nothing stands behind it",
            }.items()
        }

    def serve(self, host: str, port: int) -> None:
        """Answer Prometheus from a thread of its own.

        Raises :class:`~nba.errors.UnavailableError` where the port is taken.
        """
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise UnavailableError(
                f"{host}:{port} cannot be listened on ({error.strerror}); set "
                "NBA_WORKER_METRICS_PORT to another"
            ) from error

    def stepped(self, entries: int, lag_seconds: float) -> None:
        """Note one step through the ledger."""
        self._entries.inc(entries)
        self._lag.set(lag_seconds)

    def flushed(self, rows: int, seconds: float) -> None:
        """Note one flush."""
        self._rows.inc(rows)
        if rows:
            self._flush.observe(seconds)

    def buffered(self, rows: int) -> None:
        """Note how many rows wait."""
        self._buffered.set(rows)

    def refused(self) -> None:
        """Note that a store refused some work, which is tried again."""
        self._refused.inc()

    def judged(self, rates: Sequence[GroupRate]) -> None:
        """Show how groups fare; those that are gone are shown no longer."""
        self._rate.clear()
        self._breach.clear()
        for found in rates:
            self._rate.labels(found.policy, found.group).set(found.rate)
            self._breach.labels(found.policy, found.group).set(found.above - found.below)

    def taught(self, state: Learner | None, lag_seconds: float) -> None:
        """Show what the bandit has learned from, and how far it is behind."""
        self._learner["lag_seconds"].set(lag_seconds)
        if state is not None:
            self._learner["updates"].set(state.updates)
            self._learner["refits"].set(state.refits)
            self._learner["change_alarms"].set(state.alarms)

    def chosen(self, spreads: Sequence[PlacementSpread]) -> None:
        """Show how choices spread; placements that are gone are shown no longer."""
        for gauge in self._choices.values():
            gauge.clear()
        for found in spreads:
            shown = {
                "entropy": found.entropy,
                "top_share": found.share,
                "surprise": found.surprise,
                "broken": float(found.spread is Spread.BROKEN),
            }
            for name, value in shown.items():
                self._choices[name].labels(found.placement).set(value)

    def profiled(self, report: HealthReport) -> None:
        """Show the latest daily profiles; features that are gone are shown no longer."""
        self._day.set(report.since.timestamp())
        for gauge in self._features.values():
            gauge.clear()
        for item in report.features:
            drift, freshness = item.drift, item.freshness
            shown = {
                "psi": None if drift is None else drift.psi,
                "js_distance": None if drift is None else drift.js,
                "null_rate": item.profile.null_rate,
                "age_seconds": None if freshness is None else freshness.age_seconds,
                "stale": None if freshness is None else float(freshness.is_stale),
            }
            for name, value in shown.items():
                if value is not None:
                    self._features[name].labels(item.feature).set(value)
