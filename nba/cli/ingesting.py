"""The command that takes in events and customers from files, or from Kafka."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from nba.bootstrap import (
    collect_rarely,
    load_settings,
    open_log,
    open_runtime,
    with_running_store,
)
from nba.cli.output import AsJson, StageBar, console, print_json, progress_bar
from nba.errors import Fault, InputError, NotFoundError
from nba.ingestion.columns import Kind

if TYPE_CHECKING:
    from nba.bootstrap import Runtime
    from nba.decision.plan import Plan
    from nba.features import FeatureSet, ProfileService
    from nba.ingestion.bulk import FileReport
    from nba.ingestion.columns import FileMapping
    from nba.ingestion.kafka import DeadLetters, KafkaCounts
    from nba.settings import Settings

_OWNER_BITS = 64
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ingest)


def ingest(
    files: Annotated[
        list[Path] | None, typer.Argument(help="CSV, Parquet or JSONL; in this order.")
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="What the rows are; by the columns if not said.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML that says which column is which.")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="BROKER", help="Read from Kafka instead of files.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="The topic with Segment's messages.")] = None,
    group: Annotated[str, typer.Option(help="The group that shares the topic.")] = "nba",
    dead_letters: Annotated[
        str,
        typer.Option(help="Where goes what cannot be taken in: a file (a path) or `topic:NAME`."),
    ] = "dead-letters.jsonl",
    *,
    as_json: AsJson = False,
) -> None:
    """Take in events and customers from files, resumable and each row once, or from Kafka."""
    from nba.ingestion.columns import load_mapping

    settings = with_running_store(load_settings())
    if kafka is not None:
        if topic is None or files:
            raise InputError([Fault("--topic", "it is missing", "name the topic, and no files")])
        counts = asyncio.run(_from_kafka(settings, kafka, topic, group, dead_letters, as_json))
        _print_kafka(counts, as_json=as_json)
        return
    if not files:
        raise InputError([Fault("FILE", "no file is named", "name files, or --kafka")])
    for path in [*files, *([mapping] if mapping else [])]:
        if not path.is_file():
            raise NotFoundError(f"there is no file {str(path)!r}")
    read = load_mapping(mapping) if mapping else None
    with progress_bar(quiet=as_json) as bar:
        reports = asyncio.run(_from_files(settings, files, kind, read, bar))
    if as_json:
        print_json({"files": [asdict(report) for report in reports]})
    else:
        for report in reports:
            _print_report(report)
    if any(report.rejected for report in reports):
        raise typer.Exit(2)


async def _from_files(
    settings: Settings,
    files: Sequence[Path],
    kind: Kind | None,
    mapping: FileMapping | None,
    bar: Progress,
) -> list[FileReport]:
    from nba.ingestion.bulk import BulkIngestion
    from nba.ingestion.progress import RedisProgressStore
    from nba.ledger.claims import Claims, alone_with_layouts

    async with (
        open_runtime(settings) as runtime,
        alone_with_layouts(runtime.ledger, f"ingest {runtime.random_bits(_OWNER_BITS):x}"),
    ):
        plan = await live_plan(runtime)
        features = plan.features
        collect_rarely()
        bulk = BulkIngestion(
            profiles_of(runtime, lambda: features, lambda: plan),
            features,
            open_log(settings),
            RedisProgressStore(runtime.connection, runtime.keys),
            settings.data_dir / "ingest",
            runtime.clock,
            alone_with_log=Claims(runtime.ledger).log,
        )
        reports = []
        for path in files:
            stages = StageBar(bar)

            def told(stage: str, done: float, path: Path = path, shown: StageBar = stages) -> None:
                shown(f"{path.name}: {stage}", done)

            reports.append(await bulk.ingest(path, told, kind=kind, mapping=mapping))
        return reports


async def _from_kafka(
    settings: Settings,
    brokers: str,
    topic: str,
    group: str,
    dead_letters: str,
    as_json: bool,  # noqa: FBT001
) -> KafkaCounts:
    try:
        from nba.ingestion.kafka import KafkaIngestion, open_consumer
    except ImportError as error:
        raise NotFoundError("Kafka needs the extra: pip install 'nba[kafka]'") from error
    from nba.serving.follower import PlanFollower

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_runtime(settings) as runtime:
        await live_plan(runtime)
        follower = PlanFollower(
            runtime.ledger,
            runtime.rollouts,
            runtime.repository,
            replica=f"kafka {runtime.random_bits(_OWNER_BITS):x}",
            poll_seconds=settings.poll_seconds,
            swapped=lambda _: None,
        )
        await follower.start()
        following = asyncio.create_task(follower.run())
        collect_rarely()

        async def has_room() -> bool:
            return await runtime.ledger.backlog() <= settings.max_ledger_backlog

        consumer = open_consumer(brokers, topic, group)
        letters = _dead_letters(brokers, dead_letters)
        profiles = profiles_of(runtime, follower.writing, follower.plan)
        ingestion = KafkaIngestion(consumer, profiles, letters, runtime.clock, has_room)
        if not as_json:
            console.print(f"Reading {topic} as {group}; Ctrl-C stops")
        try:
            await ingestion.run(stop)
        finally:
            await asyncio.to_thread(consumer.close)
            await asyncio.to_thread(letters.close)
            following.cancel()
            await follower.leave()
        return ingestion.counts


def _dead_letters(brokers: str, where: str) -> DeadLetters:
    from nba.ingestion.kafka import DeadLetterFile, DeadLetterTopic, open_producer

    if where.startswith("topic:"):
        return DeadLetterTopic(open_producer(brokers), where.removeprefix("topic:"))
    return DeadLetterFile(Path(where))


async def live_plan(runtime: Runtime) -> Plan:
    """Return the live plan; :class:`NotFoundError` where none is live."""
    from nba.decision.plans import read_pointer

    packed = await runtime.ledger.plan()
    if packed is None:
        raise NotFoundError("no plan is live yet; `nba up` or `nba publish` makes one")
    return await asyncio.to_thread(runtime.repository.get, read_pointer(packed))


def profiles_of(
    runtime: Runtime, features: Callable[[], FeatureSet], plan: Callable[[], Plan | None]
) -> ProfileService:
    """Return what changes profiles in the runtime's store."""
    from nba.decision.noting import open_profiles
    from nba.features.items import Undeclared

    profiles, _ = open_profiles(
        runtime.profiles,
        features,
        runtime.clock,
        runtime.ledger,
        plan,
        undeclared=Undeclared(runtime.settings.undeclared),
    )
    return profiles


def _print_report(report: FileReport) -> None:
    if report.was_complete:
        console.print(f"{report.file} was taken in before; nothing to do")
        return
    again = " (resumed)" if report.resumed else ""
    console.print(
        f"{report.file}{again}: {report.rows:,} rows; {report.recorded:,} recorded, "
        f"{report.duplicate:,} duplicate, {report.ignored:,} ignored, {report.rejected:,} rejected"
    )
    for name, count in sorted(report.undeclared.items()):
        console.print(f"  {name} is not declared: left out of {count:,} rows", style="dim")
    for fault in report.faults[:_SHOWN]:
        console.print(f"  {fault}", style="red", markup=False)
    if report.rejected and len(report.faults) > _SHOWN:
        console.print(f"  and {len(report.faults) - _SHOWN:,} more; --json has them")


def _print_kafka(counts: KafkaCounts, *, as_json: bool) -> None:
    summary: dict[str, Any] = asdict(counts)
    if as_json:
        print_json(summary)
        return
    items = ", ".join(f"{count:,} {status}" for status, count in counts.items.items())
    console.print(f"{counts.messages:,} messages, {counts.poison:,} of them unreadable; {items}")
