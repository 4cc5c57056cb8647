"""Commands that report: what decisions were worth, against who was held out or who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from nba.bootstrap import LIVE, load_settings, open_log
from nba.cli.learning import Dataset
from nba.cli.output import AsJson, console, print_json
from nba.cli.projects import ProjectDir

if TYPE_CHECKING:
    from nba.measurement.lift import Interval, LiftReport
    from nba.measurement.shadow import ShadowPlacement


def register(app: typer.Typer) -> None:
    """Add these commands."""
    reports = typer.Typer(help="What decisions were worth.", invoke_without_command=True)
    reports.callback()(report)
    reports.command()(shadow)
    app.add_typer(reports, name="report")


def report(
    context: typer.Context,
    dataset: Dataset = LIVE,
    project: ProjectDir = None,
    source: str = "live",
    *,
    as_json: AsJson = False,
) -> None:
    """Say honestly what deciding earned against the customers held out."""
    if context.invoked_subcommand is not None:
        return
    import polars as pl

    from nba.decision.project import load_project
    from nba.ledger.log import LogTable
    from nba.measurement.lift import measure_lift
    from nba.policies.kinds import Holdout

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


def shadow(dataset: Dataset = LIVE, project: ProjectDir = None, *, as_json: AsJson = False) -> None:
    """Say what another system earned in shadow, and what ours would have beside it."""
    from nba.decision.project import load_project
    from nba.measurement.shadow import report_shadow

    settings = load_settings(project_dir=project)
    found = report_shadow(open_log(settings, dataset))
    if as_json:
        print_json(found.to_builtins())
        return
    currency = load_project(settings.project_dir.resolve()).catalog.currency
    for placement in found.placements:
        _print_shadow(placement, currency)


def _print_shadow(found: ShadowPlacement, currency: str) -> None:
    console.print(
        f"{found.placement}: decisions {found.decisions:,}, resolved {found.resolved:,}; both "
        f"agree on {found.agreement:.1%}; guardrails would have dropped {found.dropped:.1%} of "
        "what was taken"
    )
    for code, count in found.dropped_by.items():
        console.print(f"  {code}: {count:,}")
    if found.note:
        console.print(found.note)
        return
    table = Table(box=None)
    for heading in ("", "by", f"{currency} per decision", "effective sample", ""):
        table.add_column(heading, justify="right" if " " in heading else "left")
    for row in found.rows:
        said = f"{row.effective_sample_size:,.0f}", "refused" if row.refused else "estimated"
        if row.measured:
            table.add_row(row.name, "mean", _interval(row.dr), said[0], "measured")
            continue
        table.add_row(row.name, "IPS", _interval(row.ips), *said)
        table.add_row("", "SNIPS", _interval(row.snips))
        table.add_row("", "DR", _interval(row.dr))
    console.print(table)
    for row in found.rows:
        for reason in row.refused:
            console.print(f"{row.name} is refused: {reason}")
    if found.estimated:
        console.print(
            f"Rests on {found.probabilities}: {found.estimated:,} probabilities were not reported "
            "and are estimated from frequencies, which is right only if the other system chose "
            "regardless of the customer."
        )


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
