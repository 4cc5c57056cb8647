"""Bringing a plan in from the command line, step by step where profiles change with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from nba.bootstrap import (
    open_control,
    open_log,
    open_runtime,
    with_running_store,
)
from nba.cli.output import progress_bar
from nba.errors import CorruptRecordError, DefinitionError, UnavailableError

if TYPE_CHECKING:
    from nba.catalog.store import ControlStore
    from nba.decision.project import Project
    from nba.features import FeatureSet
    from nba.settings import Settings
    from nba.worker.rollout import RolloutReport

_OWNER_BITS = 64

_logger = logging.getLogger(__name__)


def require_fit(settings: Settings, project: Project) -> None:
    """Raise :class:`DefinitionError` where a project changes what the live plan's profiles hold."""
    if settings.control_url is None and not _has_control(settings):
        return
    from nba.decision.changes import change_faults

    control = open_control(settings)
    live = _features(control, control.current())
    control.close()
    if live is not None and (faults := change_faults(project, live)):
        raise DefinitionError(faults)


def bring_in(
    settings: Settings,
    digest: str,
    make_current: Callable[[], None],
    *,
    backfill: bool,
    quiet: bool,
) -> RolloutReport:
    """Make a kept plan current; see :mod:`nba.worker.rollout` for where profiles change with it.

    Raises :class:`~nba.errors.UnavailableError` where they do and no store runs.
    """
    from nba.decision.plans import PlanPointer, PlanRepository
    from nba.worker.rollout import RolloutReport

    control = open_control(settings)
    live = _features(control, control.current())
    coming = PlanRepository(control).get(PlanPointer(digest)).features
    control.close()
    if live is None or live.layout_id == coming.layout_id:
        make_current()
        point_replicas(settings)
        return RolloutReport(digest=digest)
    running = with_running_store(settings)
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("", total=None)

        def told(step: str, done: int) -> None:
            bar.update(task, description=f"{step} {done:,}" if done else step)

        return asyncio.run(_run(running, digest, make_current, told, backfill=backfill))


def point_replicas(settings: Settings) -> None:
    """Point running replicas at what was published; where none can be, the worker does it later."""
    try:
        asyncio.run(_point(with_running_store(settings)))
    except UnavailableError as error:
        _logger.debug("replicas are not pointed at what was published: %s", error)


async def _point(settings: Settings) -> None:
    from nba.worker.pointing import Pointing

    async with open_runtime(settings) as runtime:
        await Pointing(runtime.ledger, runtime.control).at_current()


async def _run(
    settings: Settings,
    digest: str,
    make_current: Callable[[], None],
    told: Callable[[str, int], None],
    *,
    backfill: bool,
) -> RolloutReport:
    from nba.worker.rollout import RolloutRun, Stores

    async with open_runtime(settings) as runtime:
        owner = f"{runtime.random_bits(_OWNER_BITS):x}"
        run = RolloutRun(Stores.of(runtime, open_log(settings)), owner, told)
        return await run.run(digest, make_current, backfill=backfill)


def _has_control(settings: Settings) -> bool:
    return (settings.data_dir / "control.db").exists()


def _features(control: ControlStore, version: str | None) -> FeatureSet | None:
    """Return the features of a plan, ``None`` where there is none that can be read."""
    if version is None:
        return None
    from nba.decision.plans import PlanPointer, PlanRepository

    try:
        return PlanRepository(control).get(PlanPointer(version)).features
    except CorruptRecordError:
        return None
