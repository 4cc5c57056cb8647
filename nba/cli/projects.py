"""Commands on a project's files: check, start one, publish, roll back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nba.bootstrap import clock_of, load_settings, open_control, open_registry
from nba.cli.output import AsJson, console, print_json
from nba.errors import DefinitionError, NotFoundError

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
    as_json: AsJson = False,
) -> None:
    """Publish a project's files as the live plan; replicas take it whole."""
    from nba.decision.project import load_project
    from nba.worker.publisher import Publisher

    settings = load_settings(project_dir=project)
    publisher = Publisher(
        open_control(settings),
        open_registry(settings),
        alias=settings.model_alias,
        clock=clock_of(settings),
    )
    found = load_project(settings.project_dir.resolve())
    plan = publisher.publish(found, note=note, author=author)
    if as_json:
        print_json({"plan": plan.digest, "models": plan.source.model_versions})
        return
    console.print(f"Plan {plan.digest} is published; running replicas follow within a second.")


def rollback(
    version: Annotated[str, typer.Argument(help="Digest of an earlier plan.")],
    author: Annotated[str, typer.Option(help="Who, for the audit trail.")] = "command line",
    *,
    as_json: AsJson = False,
) -> None:
    """Make an earlier plan live again."""
    from nba.worker.publisher import ROLLBACK

    settings = load_settings()
    control = open_control(settings)
    digest = version.partition(".")[0]
    if control.plan(digest) is None:
        known = ", ".join(row.version for row in control.plans(5)) or "none"
        raise NotFoundError(f"there is no plan {digest!r}; the latest are {known}")
    at_ms = clock_of(settings)()
    control.set_current(digest, at_ms)
    control.audit(at_ms, author, ROLLBACK, digest, "")
    if as_json:
        print_json({"plan": digest})
        return
    console.print(f"Plan {digest} is live again; running replicas follow within a second.")
