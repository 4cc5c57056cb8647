"""Commands that keep a project's YAML files and what is live in step."""

from __future__ import annotations

from difflib import unified_diff
from typing import Annotated

import typer

from nba.bootstrap import load_settings
from nba.cli.changing import point_replicas
from nba.cli.control import NOBODY, Actor, Note, changing, print_differences
from nba.cli.output import AsJson, console, print_json
from nba.cli.projects import ProjectDir
from nba.cli.running import DataDir


def register(app: typer.Typer) -> None:
    """Add these commands."""
    policies = typer.Typer(
        help="Keep YAML files and the control store in step: policies, and all else in catalog/.",
        no_args_is_help=True,
    )
    policies.command()(diff)
    policies.command()(pull)
    policies.command()(push)
    app.add_typer(policies, name="policies")


def diff(project: ProjectDir = None, data: DataDir = None, *, as_json: AsJson = False) -> None:
    """Show field by field what the files would change about what is live."""
    from nba.catalog.differences import differences
    from nba.decision.project import objects_in

    settings = load_settings(project_dir=project, data_dir=data)
    with changing(settings) as service:
        live = {held.key: held.body for held in service.objects()}
    found = list(differences(live, objects_in(settings.project_dir.resolve())))
    if as_json:
        print_json({"differences": found})
    elif found:
        print_differences(found)
    else:
        console.print("The files say what is live.")


def pull(
    project: ProjectDir = None,
    data: DataDir = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Show what would change, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the files say what is live; comments, order and all else in them stay."""
    from nba.control import files

    settings = load_settings(project_dir=project, data_dir=data)
    root = settings.project_dir.resolve()
    with changing(settings) as service:
        objects = {held.key: held.body for held in service.objects()}
    edits = files.pull(root, objects)
    for edit in edits:
        if not dry_run:
            edit.write(root)
        if dry_run and not as_json:
            before, after = edit.before.splitlines(), edit.after.splitlines()
            for line in unified_diff(before, after, edit.path, edit.path, n=1, lineterm=""):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json({"files": [edit.path for edit in edits]})
    elif not edits:
        console.print("The files say what is live.")
    elif not dry_run:
        console.print(f"Changed: {', '.join(edit.path for edit in edits)}")


def push(
    project: ProjectDir = None,
    name: Annotated[str, typer.Option(help="Name of the change set.")] = "files",
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    publish: Annotated[
        bool, typer.Option(help="Submit, approve and publish it; refused under NBA_FOUR_EYES.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a change set of what the files would change about what is live."""
    from nba.control.pushing import push_files
    from nba.decision.project import load_project

    settings = load_settings(project_dir=project, data_dir=data)
    found = load_project(settings.project_dir.resolve())
    with changing(settings) as service:
        change = push_files(service, found.objects, name, note, author, publish=publish)
    if publish:
        point_replicas(settings)
    if as_json:
        print_json({"change": change})
    elif change is None:
        console.print("The files say what is live.")
    else:
        console.print(
            f"{change.id} is {change.status}, with {len(change.items)} edits", markup=False
        )
