"""Commands that report: what the decisions were worth, against those held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import typer
from rich.table import Table

from nba.bootstrap import LIVE, load_settings, open_log
from nba.cli.learning import Dataset
from nba.cli.output import AsJson, console, print_json
from nba.cli.projects import ProjectDir
from nba.decision.project import load_project
from nba.ledger.log import LogTable
from nba.policies.kinds import Holdout

if TYPE_CHECKING:
    from nba.measurement.lift import Interval, LiftReport


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(report)


def report(
    dataset: Dataset = LIVE,
    project: ProjectDir = None,
    source: str = "live",
    *,
    as_json: AsJson = False,
) -> None:
    """Say honestly what deciding earned against the customers held out."""
    from nba.measurement.lift import measure_lift

    settings = load_settings(project_dir=project)
    found = load_project(settings.project_dir.resolve())
    shares = [policy.share for policy in found.policies if isinstance(policy, Holdout)]
    log = open_log(settings, dataset)
    decisions = log.scan(LogTable.DECISIONS).filter(pl.col("source") == source).collect()
    resolutions = log.scan(LogTable.RESOLUTIONS).collect()
    lift = measure_lift(decisions, resolutions, holdout_share=max(shares, default=0.0))
    if as_json:
        print_json(lift.to_builtins())
        return
    _print_lift(lift, found.catalog.currency)


def _print_lift(lift: LiftReport, currency: str) -> None:
    table = Table(box=None)
    for heading in ("", "decisions", "accepted", f"{currency} per decision"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in lift.rows:
        accepted, value = _interval(row.accept_rate), _interval(row.value)
        table.add_row(row.name, f"{row.decisions:,}", accepted, value)
    console.print(table)
    console.print(
        f"Lift: accepted {_interval(lift.accept_lift)}, value {_interval(lift.value_lift)}"
    )
    ratio = lift.sample_ratio
    if ratio.mismatch:
        console.print(
            f"The split is not the declared one ({ratio.held_out:,} of {ratio.customers:,} held "
            f"out, {ratio.declared_share:.1%} declared, p = {ratio.p_value:.2g}): do not trust it.",
            style="red",
        )


def _interval(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
