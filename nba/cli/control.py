"""Commands for change sets and the audit trail, on the control store itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from nba.bootstrap import (
    LIVE,
    load_settings,
    open_control,
    open_log,
    open_runtime,
    with_running_store,
)
from nba.catalog.changes import ChangeStatus
from nba.cli.changing import point_replicas
from nba.cli.output import AsJson, console, print_json
from nba.cli.running import DataDir
from nba.domain.clock import to_rfc3339

if TYPE_CHECKING:
    from nba.catalog.audit import AuditRow
    from nba.catalog.changes import ChangeSet
    from nba.catalog.differences import Difference
    from nba.control.service import ChangeService
    from nba.control.simulation import SimulationReport
    from nba.settings import Settings

ChangeId = Annotated[str, typer.Argument(help="Id of a change set.")]
Actor = Annotated[str, typer.Option("--author", help="Who, for the audit trail.")]
Note = Annotated[str, typer.Option(help="Why, for the audit trail.")]

NOBODY = "command line"
_LISTED = 20


def register(app: typer.Typer) -> None:
    """Add these commands."""
    changes = typer.Typer(help="Change sets: edits on their way to being live.")
    changes.command("list")(list_changes)
    changes.command()(create)
    changes.command()(show)
    changes.command()(check)
    changes.command()(simulate)
    for command in (submit, approve, reopen, publish, abandon):
        changes.command()(command)
    app.add_typer(changes, name="changes", no_args_is_help=True)
    audit = typer.Typer(help="Who changed what, when and why.", invoke_without_command=True)
    audit.callback()(show_audit)
    audit.command()(verify)
    app.add_typer(audit, name="audit")


@contextmanager
def changing(settings: Settings) -> Iterator[ChangeService]:
    """Open the service that changes what is live."""
    from nba.control.opening import open_changes

    control = open_control(settings)
    try:
        yield open_changes(settings, control)
    finally:
        control.close()


def list_changes(
    status: Annotated[ChangeStatus | None, typer.Option(help="Only those of a status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = _LISTED,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the latest change sets, newest first."""
    with changing(load_settings(data_dir=data)) as service:
        found = service.changes(limit, status)
    if as_json:
        print_json(found)
        return
    table = Table(box=None)
    for heading in ("id", "status", "edits", "author", "name"):
        table.add_column(heading)
    for change in found:
        edits = str(len(change.items))
        table.add_row(change.id, change.status, edits, change.author, change.name)
    console.print(table)


def create(
    name: Annotated[str, typer.Argument(help="What it is for, in a few words.")],
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Open a change set."""
    with changing(load_settings(data_dir=data)) as service:
        _print_change(service.create(name, note, author), as_json=as_json)


def show(change: ChangeId, data: DataDir = None, *, as_json: AsJson = False) -> None:
    """Show a change set, and field by field what publishing it would change."""
    with changing(load_settings(data_dir=data)) as service:
        found, differences = service.get(change), service.diff(change)
    if as_json:
        print_json({**_plain(found), "differences": differences})
        return
    _print_change(found, as_json=False)
    for approval in found.approvals:
        console.print(f"approved by {approval.actor} at {to_rfc3339(approval.at_ms)}")
    print_differences(differences)


def check(change: ChangeId, data: DataDir = None, *, as_json: AsJson = False) -> None:
    """Check a change set; what keeps it from being published ends with status 1."""
    with changing(load_settings(data_dir=data)) as service:
        report = service.check(change)
    if as_json:
        print_json(report)
    else:
        for fault in report.faults:
            console.print(f"fault: {fault.place}: {fault.found}\n  {fault.expected}")
        for conflict in report.conflicts:
            console.print(f"conflict: {conflict}")
        for finding in report.findings:
            text = f"{finding.severity}: {finding.place}: {finding.sentence}\n  {finding.fix}"
            console.print(text, markup=False)
        if not (report.faults or report.conflicts or report.findings):
            console.print("Nothing is wrong with it.")
    if not report.publishable:
        raise typer.Exit(1)


def simulate(
    change: ChangeId,
    decisions: Annotated[int, typer.Option(min=1, help="Decisions to replay.")] = 10_000,
    branches: Annotated[str, typer.Option(help="Dimension whose terms are branches.")] = "product",
    depth: Annotated[int, typer.Option(min=1, help="Levels of a term that make a branch.")] = 1,
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Replay recorded decisions as if a change set were live, beside what is live."""
    settings = with_running_store(load_settings(data_dir=data))
    report, sampled = asyncio.run(simulated(settings, change, decisions, branches, depth, author))
    if as_json:
        print_json({**sampled, **report.to_builtins()})
        return
    from nba.control.simulation import summary, tables

    with changing(settings) as service:
        currency = service.plans(change)[0].catalog.currency
    for line in summary(report, currency=currency):
        console.print(line)
    for table in tables(report, currency=currency):
        console.print(table)


async def simulated(
    settings: Settings, change: str, decisions: int, branches: str, depth: int, author: str
) -> tuple[SimulationReport, dict[str, int]]:
    """Replay a sample of recorded decisions; return what was found, and how many there were."""
    from nba.control.opening import open_changes
    from nba.control.simulation import Branches
    from nba.control.simulation_source import sample_decisions

    async with open_runtime(settings) as runtime:
        sample = await sample_decisions(
            open_log(settings), runtime.ledger, runtime.repository, source=LIVE, size=decisions
        )
        service = open_changes(settings, runtime.control)
        report = service.simulate(
            change, sample, author, branches=Branches(dimension=branches, depth=depth)
        )
    return report, {"available": sample.available, "lost": sample.lost}


def submit(
    change: ChangeId,
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask for review."""
    _step(data, lambda service: service.submit(change, author, note), as_json=as_json)


def approve(
    change: ChangeId,
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Approve what is in review; with NBA_FOUR_EYES not one's own."""
    _step(data, lambda service: service.approve(change, author, note), as_json=as_json)


def reopen(
    change: ChangeId,
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Send what is in review or approved back to be edited."""
    _step(data, lambda service: service.reopen(change, author, note), as_json=as_json)


def abandon(
    change: ChangeId,
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give a change set up for good."""
    _step(data, lambda service: service.abandon(change, author, note), as_json=as_json)


def publish(
    change: ChangeId,
    note: Note = "",
    author: Actor = NOBODY,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make an approved change set live; replicas take it whole."""
    with changing(load_settings(data_dir=data)) as service:
        publication = service.publish(change, author, note)
    point_replicas(load_settings(data_dir=data))
    if as_json:
        print_json(publication)
        return
    console.print(f"Plan {publication.version} is live; running replicas follow within a second.")


def _step(data: Any, step: Callable[[ChangeService], ChangeSet], *, as_json: bool) -> None:
    with changing(load_settings(data_dir=data)) as service:
        _print_change(step(service), as_json=as_json)


def show_audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = _LISTED,
    before: Annotated[int | None, typer.Option(help="Only rows before this one.")] = None,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the latest rows of the audit trail, newest first."""
    if context.invoked_subcommand is not None:
        return
    with changing(load_settings(data_dir=data)) as service:
        rows = service.audit_log(limit, before=before)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        _print_row(row)


def verify(data: DataDir = None, *, as_json: AsJson = False) -> None:
    """Recompute the audit trail's chain; a row that breaks it ends with status 1."""
    with changing(load_settings(data_dir=data)) as service:
        found, latest = service.verify_audit(), service.audit_log(1)
    last = latest[0] if latest else None
    if as_json:
        count, digest = (0, "") if last is None else (last.sequence, last.hash)
        print_json({"rows": count, "last_hash": digest, "broken": found})
    elif found is not None:
        console.print(f"Row {found.sequence}: {found.found}; expected {found.expected}.")
    elif last is None:
        console.print("The audit trail is empty.")
    else:
        console.print(f"{last.sequence} rows, unbroken; the last hash is {last.hash}.")
    if found is not None:
        raise typer.Exit(1)


def print_differences(differences: list[Difference]) -> None:
    """Print every field that differs, on a line each."""
    for found in differences:
        before, after = (_told(value) for value in (found.before, found.after))
        if not found.field:
            said = "is new" if found.before is None else "is retired"
            console.print(f"{found.kind}/{found.id} {said}", markup=False)
        else:
            line = f"{found.kind}/{found.id}{found.field}: {before} → {after}"
            console.print(line, markup=False, soft_wrap=True)


def _told(value: Any) -> str:
    return "—" if value is None else msgspec.json.encode(value).decode()


def _print_change(change: ChangeSet, *, as_json: bool) -> None:
    if as_json:
        print_json(change)
        return
    edits = f"{len(change.items)} edit{'' if len(change.items) == 1 else 's'}"
    console.print(f"{change.id} is {change.status}: {change.name}, {edits}", markup=False)


def _plain(change: ChangeSet) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(change)
    return plain


def _print_row(row: AuditRow) -> None:
    why = f": {row.detail}" if row.detail else ""
    text = f"{row.sequence} {to_rfc3339(row.at_ms)} {row.actor} {row.verb} {row.subject}{why}"
    console.print(text, markup=False, soft_wrap=True)
    for name, fields in row.diff.items():
        console.print(f"    {name} {_told(fields)}", markup=False, soft_wrap=True)
