"""Commands on features: how they are, and whether what was served is what is recomputed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nba.bootstrap import LIVE, clock_of, load_settings, open_log
from nba.cli.learning import Dataset
from nba.cli.output import AsJson, console, print_json
from nba.cli.stores import control_of_command
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.errors import NotFoundError

if TYPE_CHECKING:
    from nba.features import FeatureSet
    from nba.measurement.audit import AuditReport, FeatureAudit
    from nba.measurement.feature_health import FeatureHealth, HealthReport

_HOUR_SECONDS, _DAY_SECONDS = 3_600.0, 86_400.0
_STYLES = {"stable": "", "moderate": "yellow", "shifted": "red"}

_commands = typer.Typer(help="How features are, and whether they are what they should be.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(_commands, name="features", no_args_is_help=True)


@_commands.command()
def status(
    dataset: Dataset = LIVE,
    days: Annotated[float, typer.Option(min=0.01, help="How many of the last days are now.")] = 7.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Say of every feature what is missing, how old it is, and how far from training."""
    from nba.decision.plans import PlanPointer, PlanRepository
    from nba.measurement.feature_health import measure_health
    from nba.worker.profiling import trained_through

    settings = load_settings()
    control = control_of_command(settings)
    digest = control.current()
    if digest is None:
        raise NotFoundError("no plan is published; `nba publish` or `nba up` publishes one")
    plan = PlanRepository(control).get(PlanPointer(digest))
    now = datetime.fromtimestamp(clock_of(settings)() / MILLISECONDS_PER_SECOND, UTC)
    report = measure_health(
        open_log(settings, dataset),
        plan.features,
        since=now - timedelta(days=days),
        until=now,
        trained_through=trained_through(plan),
    )
    if as_json:
        print_json(report.to_builtins())
        return
    _print_health(report)


def _print_health(report: HealthReport) -> None:
    through = report.trained_through
    compared = (
        "no model is live" if through is None else f"trained through {through:%Y-%m-%d %H:%M}"
    )
    console.print(f"{report.decisions:,} decisions since {report.since:%Y-%m-%d %H:%M}; {compared}")
    table = Table(box=None)
    for heading in ("feature", "missing", "values (mean)", "newest", "PSI", "JS", "verdict"):
        table.add_column(heading, justify="left" if heading in {"feature", "verdict"} else "right")
    for item in report.features:
        drift = item.drift
        verdict = "-" if drift is None else drift.verdict.value
        table.add_row(
            item.feature,
            "-" if item.profile.null_rate is None else f"{item.profile.null_rate:.1%}",
            _values(item),
            _age(item),
            "-" if drift is None else f"{drift.psi:.3f}",
            "-" if drift is None else f"{drift.js:.3f}",
            verdict,
            style=_STYLES.get(verdict, ""),
        )
    console.print(table)


def _values(item: FeatureHealth) -> str:
    profile = item.profile
    if profile.cardinality is not None:
        return f"{profile.cardinality} words"
    if not profile.quantiles:
        return "-"
    low, *_, high = profile.quantiles
    return f"{low:.4g} … {high:.4g} ({profile.mean:.3g})"


def _age(item: FeatureHealth) -> str:
    freshness = item.freshness
    if freshness is None:
        return ""
    seconds = freshness.age_seconds
    if seconds is None:
        age = "never"
    elif seconds < _DAY_SECONDS:
        age = f"{seconds / _HOUR_SECONDS:.1f} h"
    else:
        age = f"{seconds / _DAY_SECONDS:.1f} d"
    return f"{age}, stale" if freshness.is_stale else age


@_commands.command()
def audit(
    dataset: Dataset = LIVE,
    sample: Annotated[int, typer.Option(min=1, help="At most so many decisions.")] = 1_000,
    since: Annotated[
        datetime | None, typer.Option(help="Only decisions from then on, UTC.")
    ] = None,
    source: Annotated[str, typer.Option(help="Who decided: live or history.")] = "live",
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Recompute what decisions used from events; ends with status 1 where anything differs."""
    from nba.decision.plans import PlanPointer, PlanRepository, parse_version
    from nba.measurement.audit import RACE_MS, audit_features

    settings = load_settings()
    repository = PlanRepository(control_of_command(settings))

    def features_of(version: str) -> FeatureSet | None:
        try:
            return repository.get(PlanPointer(parse_version(version).digest)).features
        except NotFoundError:
            return None

    report = audit_features(
        open_log(settings, dataset),
        features_of,
        sample=sample,
        since=None if since is None else since.replace(tzinfo=since.tzinfo or UTC),
        source=source,
        seed=seed,
        race_ms=round(RACE_MS * settings.clock_scale),
    )
    if as_json:
        print_json(report.to_builtins())
    else:
        _print_audit(report)
    if report.differences:
        raise typer.Exit(1)


def _print_audit(report: AuditReport) -> None:
    console.print(
        f"{report.compared:,} of {report.sampled:,} decisions recomputed, {report.raced:,} of them "
        "as something arrived while they were made"
    )
    for reason, count in report.unable.items():
        console.print(f"  {count:,} not recomputed: {reason.value}", style="dim")
    table = Table(box=None)
    for heading in ("feature", "compared", "different", "largest", "example"):
        table.add_column(heading, justify="left" if heading in {"feature", "example"} else "right")
    for item in report.features:
        table.add_row(
            item.feature,
            f"{item.compared:,}",
            f"{item.different:,}",
            "-" if item.largest is None else f"{item.largest:.6g}",
            _example(item),
            style="red" if item.different else "",
        )
    console.print(table)


def _example(item: FeatureAudit) -> str:
    if item.example is None:
        return ""
    return f"{item.example}: served {item.recorded}, recomputed {item.recomputed}"
