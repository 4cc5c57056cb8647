"""Publishing plans: definitions and the models their aliases point at, as one artifact.

What is made live carries its objects with it: those of the project's files, of a change set, or of
the earlier plan that is rolled back to.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from nba.catalog.audit import AuditEntry
from nba.catalog.changes import ChangeItem, ChangeSet, ChangeStatus, Operation
from nba.catalog.differences import changes_between, diff_of
from nba.catalog.objects import Objects
from nba.catalog.publications import (
    ObjectChange,
    ObjectVersion,
    Publication,
    PublicationDraft,
    Source,
)
from nba.catalog.store import ControlStore
from nba.decision.artifact import PlanSource, pack_plan, unpack_plan, version_of
from nba.decision.plan import Plan, compile_plan
from nba.decision.plans import PlanPointer, PlanRepository
from nba.decision.project import Definitions, Project
from nba.domain.clock import Clock
from nba.domain.ids import ModelName
from nba.errors import ConflictError, CorruptRecordError, DefinitionError, NotFoundError
from nba.models import ModelRegistry, ModelSpec, PropensityModel

PUBLISH, ROLLBACK = "publish", "rollback"
"""Verbs of the audit trail that say what is live."""

FILES = "files"
"""Name of the change sets that hold what a project's files change."""

_NAMED = 5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a plan that was kept was made of; without ``objects`` they stay as they are."""

    versions: Mapping[ModelName, str]
    objects: Objects | None


class Publisher:
    """Turns definitions and the registry's aliases into plans; what does not compile is none.

    Parameters
    ----------
    control
        Where plans are kept.
    registry
        Where models come from; ``None`` decides on priors.
    alias
        The alias whose version of each model is live.
    four_eyes
        Whether files may change no live object, as nobody else has approved it.
    repository
        Compiles, and keeps what it compiled for who follows in the same process.

    """

    def __init__(
        self,
        control: ControlStore,
        registry: ModelRegistry | None,
        *,
        alias: str,
        clock: Clock,
        four_eyes: bool = False,
        repository: PlanRepository | None = None,
    ) -> None:
        self._control = control
        self._repository = repository or PlanRepository(control)
        self._registry = registry
        self._alias = alias
        self._clock = clock
        self._four_eyes = four_eyes
        self._live: dict[ModelName, str] = {}
        self._kept: dict[str, _Kept] = {}
        self._loaded: dict[tuple[ModelName, str], PropensityModel] = {}

    def publish(self, project: Project, *, note: str, author: str) -> Plan:
        """Compile, keep and make current; raises before anything is half-applied.

        It is for where no profile is in use: a layout that changes while serving is brought in
        step by step (:mod:`nba.worker.rollout`).
        """
        plan = self.keep(project, note=note, author=author)
        self.make_current(plan.digest, note=note, author=author)
        return plan

    def keep(self, project: Project, *, note: str, author: str) -> Plan:
        """Compile and keep the plan of a project's files, so that it can be made current.

        Raises :class:`~nba.errors.ConflictError` where somebody must approve what they change.
        """
        self._require_approved(self._control.live_objects(), project.objects)
        versions = self._versions(project.models)
        models = self._models(project, versions)
        return self._keep(project, models, _Kept(versions, project.objects), note, author)

    def keep_definitions(
        self, definitions: Definitions, live: PlanSource, *, note: str, author: str
    ) -> Plan:
        """Compile and keep a plan of definitions with the models of another."""
        models = {ModelName(model.name): model for _, model in live.models}
        kept = _Kept({name: model.version for name, model in models.items()}, None)
        return self._keep(definitions, models, kept, note, author)

    def promote(self, *, note: str, author: str) -> Plan:
        """Publish what is live with the models that the aliases point at now.

        Raises :class:`~nba.errors.NotFoundError` where nothing is live.
        """
        publication, live = self.live()
        versions = self._versions(live.specs)
        definitions = live.definitions
        kept = _Kept(versions, None)
        models = self._models(definitions, versions)
        plan = self._keep(definitions, models, kept, note, author)
        if plan.digest != publication.version:
            diff = {"models": [dict(live.model_versions), dict(plan.source.model_versions)]}
            self._publish(plan.digest, Source.MODEL, publication.id, note, author, diff=diff)
        self._live = versions
        return plan

    def live(self) -> tuple[Publication, PlanSource]:
        """Return the latest publication and what its plan was compiled from.

        Raises :class:`~nba.errors.NotFoundError` where nothing is live, and
        :class:`~nba.errors.CorruptRecordError` where what is live cannot be read.
        """
        latest = self._control.publications(1)
        artifact = self._control.plan(latest[0].version) if latest else None
        if artifact is None:
            raise NotFoundError("no plan is live yet; `nba publish` makes a project's files live")
        return latest[0], unpack_plan(artifact)

    def make_current(self, digest: str, *, note: str, author: str, verb: str = PUBLISH) -> None:
        """Make a plan that was kept current with its objects, and say so in the audit trail.

        With the verb :data:`ROLLBACK` it is an earlier one, with the objects it was live with.
        """
        latest = next(iter(self._control.publications(1)), None)
        expected = 0 if latest is None else latest.id
        kept = self._kept.get(digest)
        live = self._control.live_objects()
        changes: Sequence[ObjectChange] = ()
        if verb == ROLLBACK:
            changes = self._restored(digest, live)
            self._repository.get(PlanPointer(digest))  # what does not compile is not made live
        elif kept is not None and kept.objects is not None:
            self._require_approved(live, kept.objects)
            changes = changes_between(live, kept.objects, note=note, author=author)
        if changes or latest is None or latest.version != digest:
            source = Source.ROLLBACK if verb == ROLLBACK else Source.FILES
            change = None
            if source is Source.FILES and changes:
                change = self._files_change(changes, live, latest, note=note, author=author)
            diff = diff_of(live, changes)
            self._publish(digest, source, expected, note, author, changes, change, diff)
        if kept is not None:
            self._live = dict(kept.versions)

    def files_lead(self) -> bool:
        """Say whether what is live came from files, and nothing was changed or rolled back since.

        Then files that changed may be published without being asked for.
        """
        last = self._control.last_publication(but=Source.MODEL)
        return last is None or last.source is Source.FILES

    def models_moved(self, specs: tuple[ModelSpec, ...]) -> bool:
        """Say whether an alias points at another version than the one that is live."""
        if self._registry is None:
            return False
        return self._versions(specs) != self._live

    def follow(self, plan: Plan) -> None:
        """Take a plan that was published elsewhere as the one that is live.

        Its models count as live. After a rollback those that the aliases point at now do: they
        were live and are not wanted, so that only another promotion changes anything.
        """
        last = self._control.last_publication(but=Source.CHANGE)
        if last is not None and last.source is Source.ROLLBACK:
            self._live = self._versions(plan.source.specs)
        elif plan.digest in self._kept:
            self._live = dict(self._kept[plan.digest].versions)
        else:
            versions = plan.source.model_versions
            self._live = {ModelName(name): version for name, version in versions.items()}

    def _keep(
        self,
        definitions: Definitions,
        models: Mapping[ModelName, PropensityModel],
        kept: _Kept,
        note: str,
        author: str,
    ) -> Plan:
        artifact = pack_plan(definitions, models)
        digest = version_of(artifact)
        plan = self._repository.compiled(artifact, digest)
        at_ms = self._clock()
        layout = definitions.features.layout
        self._control.save_layout(layout.layout_id, msgspec.msgpack.encode(layout.to_builtins()))
        self._control.save_plan(digest, artifact, note=note, author=author, at_ms=at_ms)
        self._kept[digest] = kept
        return plan

    def _publish(
        self,
        digest: str,
        source: Source,
        expected: int,
        note: str,
        author: str,
        changes: Sequence[ObjectChange] = (),
        change: ChangeSet | None = None,
        diff: Mapping[str, object] | None = None,
    ) -> None:
        at_ms = self._clock()
        entry = AuditEntry(
            at_ms=at_ms,
            actor=author,
            verb=ROLLBACK if source is Source.ROLLBACK else PUBLISH,
            subject=digest,
            detail=note,
            diff=diff or {},
        )
        self._control.publish(
            PublicationDraft(
                version=digest,
                source=source,
                expected=expected,
                at_ms=at_ms,
                actor=author,
                entries=[entry],
                changes=changes,
                change=change,
            )
        )

    def _require_approved(self, live: list[ObjectVersion], objects: Objects) -> None:
        """Refuse to change live objects where four eyes are to see that; the first are free."""
        if not self._four_eyes or not live:
            return
        if found := changes_between(live, objects, note="", author=""):
            named = ", ".join(str(change.key) for change in found[:_NAMED])
            more = ", …" if len(found) > _NAMED else ""
            raise ConflictError(
                f"the files change {len(found)} live objects that nobody else has approved "
                f"(NBA_FOUR_EYES): {named}{more}; `nba policies push` makes a change set of them"
            )

    def _restored(self, digest: str, live: list[ObjectVersion]) -> Sequence[ObjectChange]:
        """Return what brings back the objects an earlier plan was live with."""
        earlier = self._control.publication_of(digest)
        if earlier is None:
            raise NotFoundError(f"plan {digest} was never live, so there is no way back to it")
        then = {held.key: held.version for held in self._control.live_objects(earlier.id)}
        now = {held.key: held.version for held in live}
        return [
            ObjectChange(key=key, version=then.get(key))
            for key in sorted(then.keys() | now.keys())
            if then.get(key) != now.get(key)
        ]

    def _files_change(
        self,
        changes: Sequence[ObjectChange],
        live: list[ObjectVersion],
        latest: Publication | None,
        *,
        note: str,
        author: str,
    ) -> ChangeSet:
        """Return the change set of what files change; it is reviewed where the files are."""
        at_ms = self._clock()
        versions = {held.key: held.version for held in live}
        return ChangeSet(
            id=f"{FILES}-{1 if latest is None else latest.id + 1}",
            name=FILES,
            author=author,
            note=note,
            at_ms=at_ms,
            base="" if latest is None else latest.version,
            status=ChangeStatus.APPROVED,
            items=tuple(
                ChangeItem(
                    key=change.key,
                    operation=Operation.RETIRE if change.body is None else Operation.PUT,
                    body=change.body,
                    base_version=versions.get(change.key, 0),
                    author=author,
                    note=note,
                    at_ms=at_ms,
                )
                for change in changes
            ),
        )

    def _versions(self, specs: tuple[ModelSpec, ...]) -> dict[ModelName, str]:
        if self._registry is None:
            return {}
        found = {spec.name: self._registry.alias_version(spec.name, self._alias) for spec in specs}
        return {name: version for name, version in found.items() if version is not None}

    def _models(
        self, definitions: Definitions, versions: Mapping[ModelName, str]
    ) -> Mapping[ModelName, PropensityModel]:
        """Load each version; one that is broken or does not fit is left out, loudly.

        Raises :class:`~nba.errors.UnavailableError` where the registry does not answer.
        """
        models: dict[ModelName, PropensityModel] = {}
        for name, version in versions.items():
            model = self._loaded.get((name, version))
            try:
                if model is None and self._registry is not None:
                    model = self._registry.load(name, version)
                    self._loaded[name, version] = model
                if model is not None:
                    _require_fit(definitions, name, model)
                    models[name] = model
            except (CorruptRecordError, DefinitionError, NotFoundError) as error:
                _logger.error("model %s version %s is left out: %s", name, version, error)  # noqa: TRY400  # the error says all
        return models


def _require_fit(definitions: Definitions, name: ModelName, model: PropensityModel) -> None:
    """Raise :class:`DefinitionError` where a plan of the definitions cannot use a model."""
    artifact = pack_plan(definitions, {name: model})
    compile_plan(unpack_plan(artifact), digest=version_of(artifact))
