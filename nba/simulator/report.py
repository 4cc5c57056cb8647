"""The one page that ends a demonstration: what was gained, whether guardrails held, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nba.simulator.memory import JourneyMemory


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """How one way of choosing did on the same arrivals under the same guardrails.

    ``expected_value`` and ``value`` are per decision, in currency: the true expectation, and what
    was realised; ``accept_rate`` is the share of decisions whose desired outcome came.
    """

    name: str
    decisions: int
    accept_rate: float
    value: float
    expected_value: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything on the page. ``rows`` begins with the service itself."""

    currency: str
    rows: tuple[PolicyRow, ...]
    violations: int
    violations_by_policy: dict[str, int]
    service_p50_ms: float
    service_p99_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    decisions_per_second: float
    refused_outcomes: int

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        return asdict(self)


def summarise(name: str, memory: JourneyMemory) -> PolicyRow:
    """Return the row of one journey played."""
    played = memory.played
    count = len(played)
    return PolicyRow(
        name=name,
        decisions=count,
        accept_rate=sum(item.accepted for item in played) / count,
        value=sum(item.value for item in played) / count,
        expected_value=sum(item.expected_value for item in played) / count,
    )


def latency_percentiles(memory: JourneyMemory) -> tuple[float, float]:
    """Return the median and the 99th percentile of decision latency in milliseconds."""
    p50, p99 = np.percentile([item.latency_ms for item in memory.played], [50.0, 99.0])
    return float(p50), float(p99)


def render(report: DemoReport) -> RenderableType:
    """Lay the report out for a terminal."""
    return Panel(
        Group(_values(report), Text(), _facts(report)),
        title="What the decisions were worth",
        title_align="left",
        padding=(1, 2),
    )


def print_report(report: DemoReport, console: Console) -> None:
    """Print the page."""
    console.print(render(report))


def _values(report: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Same arrivals, same guardrails")
    for heading in (
        "decisions",
        "accepted",
        f"{report.currency} per decision",
        "true expectation",
        "the service is worth",
    ):
        table.add_column(heading, justify="right")
    service = report.rows[0]
    for row in report.rows:
        table.add_row(
            row.name,
            f"{row.decisions:,}",
            f"{row.accept_rate:.2%}",
            f"{row.value:.3f}",
            f"{row.expected_value:.3f}",
            _ratio(service, row),
        )
    return table


def _ratio(service: PolicyRow, row: PolicyRow) -> str:
    if row is service or row.expected_value <= 0.0:
        return ""
    return f"{service.expected_value / row.expected_value:.2f} times"


def _facts(report: DemoReport) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column()
    table.add_row("Guardrail violations, counted from the ledger", _violations(report))
    service = f"p50 {report.service_p50_ms:.1f} ms, p99 {report.service_p99_ms:.1f} ms"
    table.add_row("Latency of a decision in the service", service)
    engine = f"p50 {report.latency_p50_ms:.1f} ms, p99 {report.latency_p99_ms:.1f} ms"
    table.add_row("The same as the simulated journey engine saw it", engine)
    table.add_row("Throughput while playing", f"{report.decisions_per_second:,.0f} decisions/s")
    if report.refused_outcomes:
        table.add_row("Outcomes refused by the service", Text(f"{report.refused_outcomes}", "red"))
    return table


def _violations(report: DemoReport) -> Text:
    if not report.violations:
        return Text("0", style="bold green")
    worst: Sequence[tuple[str, int]] = sorted(
        report.violations_by_policy.items(), key=lambda item: -item[1]
    )
    told = ", ".join(f"{policy} {count}" for policy, count in worst)
    return Text(f"{report.violations} ({told})", style="bold red")
