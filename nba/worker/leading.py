"""What is live: the first of the workers publishes it, and has it taught.

At its start that is the project's files, where nothing else has changed what is live since them;
later whatever was published, promoted or rolled back.
"""

from __future__ import annotations

import asyncio
import logging

from nba.bootstrap import Runtime
from nba.catalog.publications import Publication
from nba.decision.changes import change_faults
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer
from nba.decision.project import Project, load_project
from nba.errors import CorruptRecordError, DefinitionError, NbaError
from nba.features import FeatureSet
from nba.ledger.log import DecisionLog
from nba.models import ModelRegistry
from nba.worker.pointing import Pointing
from nba.worker.publisher import Publisher
from nba.worker.rollout import RolloutRun, Stores
from nba.worker.teaching import Teacher

AUTHOR = "worker"
"""Who publishes, for the audit trail."""

_logger = logging.getLogger(__name__)


class Leader:
    """Keeps what is live live, and its bandit taught.

    Parameters
    ----------
    log
        Where profiles are recomputed from, when what they hold changes.
    registry
        Where models come from; ``None`` decides on priors.

    Attributes
    ----------
    plan
        What is live, though its bandit may still be catching up; ``None`` before anything is.

    """

    def __init__(
        self,
        runtime: Runtime,
        log: DecisionLog,
        registry: ModelRegistry | None,
        teacher: Teacher,
    ) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._teacher = teacher
        self._publisher = Publisher(
            runtime.control,
            registry,
            alias=settings.model_alias,
            clock=runtime.clock,
            four_eyes=settings.four_eyes,
            repository=runtime.repository,
        )
        self._pointing = Pointing(runtime.ledger, runtime.control)
        self._stores = Stores.of(runtime, log)
        self._followed: Publication | None = None
        self._refused: Publication | None = None
        self._bringing: asyncio.Task[None] | None = None
        self.plan: Plan | None = None

    async def start(self) -> bool:
        """Publish the project's files where nothing else has changed what is live since them.

        After a change set or a rollback only an explicit publication or promotion does.
        """
        if await asyncio.to_thread(self._publisher.files_lead):
            try:
                root = self._runtime.settings.project_dir
                project = await asyncio.to_thread(load_project, root)
                return await self._publish(project, "start of the worker")
            except NbaError as error:
                _logger.error("the project is not published; the last plan stays live:\n%s", error)  # noqa: TRY400  # faults are for people, a traceback is not
        return await self.follow_current()

    async def follow_models(self) -> bool:
        """Publish what is live with a model that was promoted; return whether the plan changed."""
        if self.plan is None or not (self._bringing is None or self._bringing.done()):
            return False
        if not await asyncio.to_thread(self._publisher.models_moved, self.plan.source.specs):
            return False
        note = "a model was promoted"
        await asyncio.to_thread(lambda: self._publisher.promote(note=note, author=AUTHOR))
        return await self.follow_current()

    async def follow_current(self) -> bool:
        """Teach under what was published last; replicas are pointed there before it is compiled."""
        latest = next(iter(await asyncio.to_thread(self._runtime.control.publications, 1)), None)
        if latest is None or latest == self._refused:
            return False
        if latest == self._followed and self._teacher.learning is not None:
            return False
        try:
            await self._pointing.at_current()
            pointer = PlanPointer(latest.version)
            plan = await asyncio.to_thread(self._runtime.repository.get, pointer)
        except (CorruptRecordError, DefinitionError) as error:
            _logger.error("plan %s is refused; the last one stays live: %s", latest.version, error)  # noqa: TRY400  # faults are for people, a traceback is not
            self._refused = latest
            return False
        await asyncio.to_thread(self._publisher.follow, plan)
        self.plan = plan
        pointer = await self._teacher.follow(plan, latest.id)
        self._followed = latest
        versions = dict(plan.source.model_versions)
        _logger.info("plan %s is live, models %s", pointer.version, versions)
        return True

    async def _publish(self, project: Project, note: str) -> bool:
        """Publish a project; where profiles change with it, step by step and beside the loop."""
        current = await asyncio.to_thread(self._live_features)
        if current is not None:
            if faults := change_faults(project, current):
                raise DefinitionError(faults)
            if current.layout_id != project.features.layout_id:
                self._bringing = asyncio.create_task(self._bring_in(project, note))
                return await self.follow_current()
        await asyncio.to_thread(lambda: self._publisher.publish(project, note=note, author=AUTHOR))
        return await self.follow_current()

    def _live_features(self) -> FeatureSet | None:
        current = self._runtime.control.current()
        if current is None:
            return None
        try:
            return self._runtime.repository.get(PlanPointer(current)).features
        except CorruptRecordError:
            return None

    async def _bring_in(self, project: Project, note: str) -> None:
        publisher = self._publisher
        try:
            plan = await asyncio.to_thread(
                lambda: publisher.keep(project, note=note, author=AUTHOR)
            )
            run = RolloutRun(self._stores, AUTHOR, _told)
            await run.run(
                plan.digest,
                lambda: publisher.make_current(plan.digest, note=note, author=AUTHOR),
            )
        except NbaError as error:
            _logger.error("the project is not brought in; `nba publish` tries again: %s", error)  # noqa: TRY400  # the error says all

    def stop(self) -> None:
        """Leave a rollout that is under way where it is; whoever publishes next goes on."""
        if self._bringing is not None:
            self._bringing.cancel()


def _told(step: str, done: int) -> None:
    _logger.info("a changed layout is brought in: %s %s", step, done or "")
