"""Commands on audiences: upload a list of customers, see the lists, empty one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nba.bootstrap import collect_rarely, load_settings, open_runtime, with_running_store
from nba.cli.ingesting import live_plan, profiles_of
from nba.cli.output import AsJson, StageBar, console, print_json, progress_bar
from nba.errors import NotFoundError

if TYPE_CHECKING:
    from nba.ingestion.audiences import AudienceLists, AudienceReport

_OWNER_BITS = 64
_SHOWN = 20

_commands = typer.Typer(help="Lists of customers that policies can look at.")

Name = Annotated[str, typer.Argument(help="An audience of the taxonomy, such as members/gold.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(_commands, name="audience", no_args_is_help=True)


@_commands.command()
def upload(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSONL that names customers.")],
    column: Annotated[str, typer.Option(help="Where it names them.")] = "customer_id",
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take off everybody the file does not name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put everybody a file names on a list; may be run again at any time."""
    if not file.is_file():
        raise NotFoundError(f"there is no file {str(file)!r}")

    async def run(told: StageBar) -> AudienceReport:
        async with _lists() as lists:
            return await lists.upload(name, file, told, column=column, replace=replace)

    with progress_bar(quiet=as_json) as bar:
        report = asyncio.run(run(StageBar(bar)))
    _print(report, as_json=as_json, kept=replace and report.rejected > 0)
    if report.rejected:
        raise typer.Exit(2)


@_commands.command()
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Take everybody off a list, be it declared or no more."""

    async def run(told: StageBar) -> AudienceReport:
        async with _lists() as lists:
            return await lists.remove(name, told)

    with progress_bar(quiet=as_json) as bar:
        report = asyncio.run(run(StageBar(bar)))
    _print(report, as_json=as_json, kept=False)


@_commands.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Say how many customers are on each list; goes through all profiles."""

    async def run() -> dict[str, int]:
        async with _lists() as lists:
            return await lists.counts()

    counts = asyncio.run(run())
    if as_json:
        print_json({"audiences": counts})
        return
    if not counts:
        console.print("the taxonomy has no dimension audience")
        return
    table = Table("audience", "customers", box=None)
    for audience, count in counts.items():
        table.add_row(audience, f"{count:,}")
    console.print(table)


@asynccontextmanager
async def _lists() -> AsyncIterator[AudienceLists]:
    """Open the store of the live plan, while no layout changes."""
    from nba.ingestion.audiences import AudienceLists
    from nba.ledger.claims import alone_with_layouts

    settings = with_running_store(load_settings())
    async with (
        open_runtime(settings) as runtime,
        alone_with_layouts(runtime.ledger, f"audience {runtime.random_bits(_OWNER_BITS):x}"),
    ):
        plan = await live_plan(runtime)
        features = plan.features
        collect_rarely()
        profiles = profiles_of(runtime, lambda: features, lambda: plan)
        yield AudienceLists(profiles, runtime.profiles, runtime.rollouts, features)


def _print(report: AudienceReport, *, as_json: bool, kept: bool) -> None:
    if as_json:
        print_json(report)
        return
    named = f" by {report.rows:,} rows of {report.file}" if report.file else ""
    console.print(
        f"{report.audience}: {report.added:,} put on{named}, {report.removed:,} taken off, "
        f"{report.rejected:,} rejected"
    )
    if kept:
        console.print("  nobody was taken off: a rejected row might name them", style="yellow")
    for fault in report.faults[:_SHOWN]:
        console.print(f"  {fault}", style="red", markup=False)
