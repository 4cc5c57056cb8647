"""Commands on a project's files: check, start one, publish, roll back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nba.bootstrap import clock_of, load_settings, open_registry
from nba.cli.changing import bring_in, point_replicas, require_fit
from nba.cli.output import AsJson, console, print_json
from nba.cli.stores import control_of_command
from nba.domain.clock import MILLISECONDS_PER_SECOND, to_rfc3339
from nba.errors import DefinitionError

if TYPE_CHECKING:
    from nba.worker.rollout import RolloutReport

ProjectDir = Annotated[
    Path | None, typer.Option("--project", help="Project folder; NBA_PROJECT_DIR by default.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(check)
    app.command()(init)
    app.command()(publish)
    app.command()(rollback)


def check(project: ProjectDir = None, *, as_json: AsJson = False) -> None:
    """Check a project's files; every fault with its file, its line and what would be right."""
    from nba.decision.project import load_project

    settings = load_settings(project_dir=project)
    try:
        found = load_project(settings.project_dir.resolve())
        require_fit(settings, found)
    except DefinitionError as error:
        if not as_json:
            raise
        print_json({"faults": error.faults})
        raise typer.Exit(1) from error
    counts = {
        "actions": len(found.catalog.actions),
        "contents": len(found.catalog.contents),
        "placements": len(found.catalog.placements),
        "features": len(found.features.definitions),
        "policies": len(found.policies),
        "models": len(found.models),
    }
    if as_json:
        print_json({"faults": [], **counts})
        return
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    console.print(f"No faults: {told}.")


def init(
    target: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Start a project of your own as a copy of the reference project."""
    from nba.catalog.reference import copy_reference

    files = copy_reference(target)
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    console.print(f"{len(files)} files in {target}. Next: nba check --project {target}")


def publish(
    project: ProjectDir = None,
    note: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    author: Annotated[str, typer.Option(help="Who, for the audit trail.")] = "command line",
    *,
    backfill: Annotated[
        bool, typer.Option(help="Compute new aggregates from the log before they are used.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Publish a project's files as the live plan; replicas take it whole."""
    from nba.decision.project import load_project
    from nba.worker.publisher import Publisher

    settings = load_settings(project_dir=project)
    control = control_of_command(settings)
    publisher = Publisher(
        control,
        open_registry(settings),
        alias=settings.model_alias,
        clock=clock_of(settings),
        four_eyes=settings.four_eyes,
    )
    found = load_project(settings.project_dir.resolve())
    require_fit(settings, found)
    plan = publisher.keep(found, note=note, author=author)
    report = bring_in(
        settings,
        plan.digest,
        lambda: publisher.make_current(plan.digest, note=note, author=author),
        backfill=backfill,
        quiet=as_json,
    )
    models = plan.source.model_versions
    _print_live(report, "is published", {"plan": plan.digest, "models": models}, as_json=as_json)


def rollback(
    version: Annotated[str, typer.Argument(help="Digest of an earlier plan.")],
    note: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    author: Annotated[str, typer.Option(help="Who, for the audit trail.")] = "command line",
    *,
    backfill: Annotated[
        bool, typer.Option(help="Compute aggregates that only the earlier plan has anew.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make an earlier plan live again, with the objects it was live with."""
    from nba.control.opening import open_changes
    from nba.worker.rollout import RolloutReport

    settings = load_settings()
    reports: list[RolloutReport] = []

    def step_by_step(digest: str, make_current: Callable[[], None]) -> None:
        reports.append(bring_in(settings, digest, make_current, backfill=backfill, quiet=as_json))

    service = open_changes(settings, control_of_command(settings))
    digest = service.rollback(version, author, note, bring_in=step_by_step).version
    point_replicas(settings)
    report = reports[0] if reports else RolloutReport(digest=digest)
    _print_live(report, "is live again", {"plan": digest}, as_json=as_json)


def _print_live(
    report: RolloutReport, what: str, said: dict[str, object], *, as_json: bool
) -> None:
    done = report.backfill
    if as_json:
        print_json({**said, "added": len(report.added), "backfill": done})
        return
    console.print(f"Plan {report.digest} {what}; running replicas follow within a second.")
    if done is not None:
        since = "nothing logged" if done.since is None else to_rfc3339(_millis(done.since))
        console.print(
            f"{len(report.added)} new aggregates of {done.customers:,} customers were computed "
            f"from all events since {since}; {done.written:,} profiles changed."
        )
        if done.unreadable:
            console.print(f"{done.unreadable:,} profiles cannot be read and were left out.")
    elif report.added:
        console.print(f"{len(report.added)} new aggregates start empty.")


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * MILLISECONDS_PER_SECOND)
