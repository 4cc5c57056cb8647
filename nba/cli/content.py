"""Commands for content: which variants their master has left behind, and what a CMS says now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from nba.bootstrap import load_settings
from nba.cli.output import AsJson, console, print_json
from nba.cli.projects import ProjectDir
from nba.cli.stores import control_of_command
from nba.errors import Fault, InputError

if TYPE_CHECKING:
    from nba.catalog.declarations import Connection, Declarations
    from nba.connectors.port import Changes
    from nba.connectors.sync import SyncPlan
    from nba.domain.catalog import Catalog
    from nba.settings import Settings

_CONTENT = "content"
_CONNECTORS = "connectors"

Author = Annotated[str, typer.Option(help="Who, for the audit trail.")]
ChangeId = Annotated[
    str | None, typer.Option("--change", help="A change set to put it in, instead of files.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    content = typer.Typer(
        help="Content: its groups, and where it comes from.", no_args_is_help=True
    )
    content.command()(status)
    content.command()(confirm)
    content.command()(sync)
    app.add_typer(content, name=_CONTENT)


def status(
    project: ProjectDir = None,
    *,
    live: Annotated[bool, typer.Option(help="Of what is live, instead of the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the variants of each master, and whether they were confirmed since it last changed."""
    from nba.catalog.content_groups import variants

    settings = load_settings(project_dir=project)
    found = list(variants(_catalog(settings, live=live)))
    if as_json:
        print_json([{**_fields(variant), "is_stale": variant.is_stale} for variant in found])
        return
    table = Table(box=None)
    for heading in ("content", "group", "locale", "master", "state"):
        table.add_column(heading, overflow="fold")
    for variant in found:
        state = "confirmed"
        if variant.is_stale:
            state = "stale" if variant.confirmed_against else "never confirmed"
        state += ", withheld" if variant.is_withheld else ""
        table.add_row(variant.content, variant.group, variant.locale, variant.master, state)
    console.print(table)
    stale = sum(variant.is_stale for variant in found)
    console.print(f"{stale} of {len(found)} variants are to be looked at.")


def confirm(
    contents: Annotated[list[str] | None, typer.Argument(help="Variants that agree.")] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="All variants of a group; repeatable.")
    ] = None,
    change: ChangeId = None,
    project: ProjectDir = None,
    author: Author = "command line",
    *,
    as_json: AsJson = False,
) -> None:
    """Say that variants agree with their master as it is now, in the files or a change set."""
    from nba.catalog import content_groups

    if not (contents or groups):
        expected = "contents, or --group for all variants of one"
        raise InputError([Fault("CONTENTS", "nothing to confirm", expected)])
    settings = load_settings(project_dir=project)
    names, of_groups = contents or [], groups or []
    if change is None:
        changed = _confirm_in_files(settings.project_dir.resolve(), names, of_groups)
    else:
        editing = _Editing(settings, change, author)
        confirmed = content_groups.confirm(editing.objects, names, groups=of_groups)
        changed = [key.id for key in confirmed]
        for name, body in zip(changed, confirmed.values(), strict=True):
            editing.put(name, body, "confirmed")
    if as_json:
        print_json({"confirmed": changed})
        return
    console.print(f"{len(changed)} variants are confirmed.")


def _confirm_in_files(root: Path, names: list[str], groups: list[str]) -> list[str]:
    from nba.catalog.content_files import write_confirmations
    from nba.catalog.content_groups import confirm
    from nba.catalog.loader import as_declared, read_catalog

    declared = read_catalog(root / "catalog", root=root)
    as_declared(declared)
    written = {(_CONTENT, item.id): item for item in declared.contents}
    bodies = {key: item.body for key, item in written.items()}
    changed = confirm(bodies, names, groups=groups)
    write_confirmations(
        root, [(written[key], body["confirmed_against"]) for key, body in changed.items()]
    )
    return [name for _, name in changed]


def sync(
    connector: Annotated[str, typer.Argument(help="Name in catalog/connectors.yaml.")],
    change: ChangeId = None,
    project: ProjectDir = None,
    author: Author = "command line",
    *,
    full: Annotated[bool, typer.Option(help="Look at everything, not at what changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring in what a content management system has published since, into files or a change set.

    What is not right there stays as it is here; each fault names the entry, field and locale.
    """
    from nba.catalog.loader import connection_of, read_catalog
    from nba.connectors.cursors import CursorFile
    from nba.connectors.opening import open_connector

    settings = load_settings(project_dir=project)
    root = settings.project_dir.resolve()
    declared = read_catalog(root / "catalog", root=root)
    connection = connection_of(declared, connector)
    # What a change set was given may never be published, so files and change sets read apart.
    place = settings.data_dir / _CONNECTORS / f"{connector}.{'change' if change else 'files'}.json"
    cursor = CursorFile(place, connection)
    opened = open_connector(connection, settings)
    try:
        found = opened.changes(None if full else cursor.read())
    finally:
        opened.close()
    if change is None:
        plan = _sync_files(root, connection, found, declared)
    else:
        plan = _sync_change(settings, connection, found, change, author)
    if not plan.faults:  # an entry that is not right is looked at again next time
        cursor.write(plan.cursor)
    _print_sync(plan, as_json=as_json)


def _sync_files(
    root: Path, connection: Connection, changes: Changes, declared: Declarations
) -> SyncPlan:
    from nba.catalog.content_files import write_contents
    from nba.catalog.loader import as_declared
    from nba.connectors.sync import plan_sync

    file = f"catalog/contents/{connection.name}.yaml"
    bodies = {item.id: item.body for item in declared.contents}
    plan = plan_sync(connection, changes, as_declared(declared), bodies)
    after = {**_mine(bodies, connection), **plan.put}
    for name in plan.retire:
        after.pop(name)
    _require_own_file(after, declared, file)
    if plan.put or plan.retire:
        heading = f"Written by `nba content sync {connection.name}`; edit it there, not here."
        write_contents(root / file, [after[name] for name in sorted(after)], heading)
    return plan


def _require_own_file(after: Collection[str], declared: Declarations, file: str) -> None:
    """Refuse to write a content a second time that somebody moved to another file."""
    faults = [
        item.fault((), f"content {item.id!r} is not in {file}", "move it there")
        for item in declared.contents
        if item.id in after and item.document.path != file
    ]
    if faults:
        raise InputError(faults)


def _mine(bodies: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    return {name: body for name, body in bodies.items() if body.get("source") == connection.name}


def _sync_change(
    settings: Settings, connection: Connection, changes: Changes, change: str, author: str
) -> SyncPlan:
    from nba.connectors.sync import plan_sync

    editing = _Editing(settings, change, author)
    bodies = {key.id: body for key, body in editing.objects.items() if key.kind == _CONTENT}
    plan = plan_sync(connection, changes, editing.catalog, bodies)
    for name, body in plan.put.items():
        editing.put(name, body, f"as {connection.name} has it")
    for name in plan.retire:
        editing.retire(name, f"{connection.name} has it no more")
    return plan


class _Editing:
    """Edits contents in a change set; ``objects`` are what is live with the edits so far."""

    def __init__(self, settings: Settings, change: str, author: str) -> None:
        from nba.control.candidate import apply_items, read_live
        from nba.control.opening import open_changes

        control = control_of_command(settings)
        self._service = open_changes(settings, control)
        self._change = change
        self._author = author
        live = read_live(control)
        self.catalog = live.source.catalog
        self.objects = apply_items(self._service.get(change).items, live.objects)

    def put(self, name: str, body: Mapping[str, Any], note: str) -> None:
        """Add what a content is to say."""
        self._service.put(self._change, _CONTENT, name, body, self._author, note=note)

    def retire(self, name: str, note: str) -> None:
        """Add that a content is to be live no more."""
        self._service.retire(self._change, _CONTENT, name, self._author, note=note)


def _catalog(settings: Settings, *, live: bool) -> Catalog:
    if live:
        from nba.control.candidate import read_live

        return read_live(control_of_command(settings)).source.catalog
    from nba.catalog.loader import as_declared, read_catalog

    root = settings.project_dir.resolve()
    return as_declared(read_catalog(root / "catalog", root=root))


def _fields(item: Any) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(item)
    return fields


def _print_sync(plan: SyncPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "put": list(plan.put),
                "retired": plan.retire,
                "unchanged": plan.unchanged,
                "faults": plan.faults,
            }
        )
    else:
        console.print(
            f"{len(plan.put)} contents put, {len(plan.retire)} retired, "
            f"{plan.unchanged} say what they said."
        )
    if plan.faults and not as_json:
        raise InputError(plan.faults)
    if plan.faults:
        raise typer.Exit(1)
