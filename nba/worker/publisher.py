"""Publishing plans: a checked project and the models its aliases point at, as one artifact."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from nba.catalog.store import ControlStore
from nba.decision.artifact import pack_plan, unpack_plan, version_of
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import Project
from nba.domain.clock import Clock
from nba.domain.ids import ModelName
from nba.errors import CorruptRecordError, DefinitionError, NotFoundError
from nba.features import StoredLayout
from nba.models import ModelRegistry, ModelSpec, PropensityModel

PUBLISH, ROLLBACK = "publish", "rollback"
"""Verbs of the audit trail that say what is live."""

_LOOKED_AT = 100

_logger = logging.getLogger(__name__)


class Publisher:
    """Turns a project and the registry's aliases into plans; a plan that does not compile is none.

    Parameters
    ----------
    control
        Where plans are kept.
    registry
        Where models come from; ``None`` decides on priors.
    alias
        The alias whose version of each model is live.

    """

    def __init__(
        self, control: ControlStore, registry: ModelRegistry | None, *, alias: str, clock: Clock
    ) -> None:
        self._control = control
        self._registry = registry
        self._alias = alias
        self._clock = clock
        self._live: dict[ModelName, str] = {}
        self._kept: dict[str, dict[ModelName, str]] = {}
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
        """Compile and keep a plan, so that it can be made current."""
        known = [
            StoredLayout.from_builtins(msgspec.msgpack.decode(data))
            for data in self._control.layouts().values()
        ]
        versions = self._versions(project.models)
        artifact = pack_plan(project, self._models(project, versions))
        digest = version_of(artifact)
        plan = compile_plan(unpack_plan(artifact), digest=digest)
        at_ms = self._clock()
        layout = project.features.layout
        self._control.save_layout(layout.layout_id, msgspec.msgpack.encode(layout.to_builtins()))
        self._control.save_plan(digest, artifact, note=note, author=author, at_ms=at_ms)
        self._kept[digest] = versions
        readable = plan.features.with_previous(known)
        return plan.with_features(readable, readable)

    def make_current(self, digest: str, *, note: str, author: str, verb: str = PUBLISH) -> None:
        """Make a plan that was kept current, and say so in the audit trail."""
        if self._control.current() != digest:
            at_ms = self._clock()
            self._control.set_current(digest, at_ms)
            self._control.audit(at_ms, author, verb, digest, note)
        self._live = self._kept.get(digest, self._live)

    def rolled_back(self) -> bool:
        """Say whether what is live was chosen by a rollback, and nothing published since."""
        verbs = (row.verb for row in self._control.audit_log(_LOOKED_AT))
        return next((verb for verb in verbs if verb in {PUBLISH, ROLLBACK}), PUBLISH) == ROLLBACK

    def models_moved(self, specs: tuple[ModelSpec, ...]) -> bool:
        """Say whether an alias points at another version than the one that is live."""
        if self._registry is None:
            return False
        return self._versions(specs) != self._live

    def _versions(self, specs: tuple[ModelSpec, ...]) -> dict[ModelName, str]:
        if self._registry is None:
            return {}
        found = {spec.name: self._registry.alias_version(spec.name, self._alias) for spec in specs}
        return {name: version for name, version in found.items() if version is not None}

    def _models(
        self, project: Project, versions: Mapping[ModelName, str]
    ) -> Mapping[ModelName, PropensityModel]:
        """Load each version; one that is broken or does not fit the project is left out, loudly.

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
                    _require_fit(project, name, model)
                    models[name] = model
            except (CorruptRecordError, DefinitionError, NotFoundError) as error:
                _logger.error("model %s version %s is left out: %s", name, version, error)  # noqa: TRY400  # the error says all
        return models


def _require_fit(project: Project, name: ModelName, model: PropensityModel) -> None:
    """Raise :class:`DefinitionError` where a plan of the project cannot use a model."""
    artifact = pack_plan(project, {name: model})
    compile_plan(unpack_plan(artifact), digest=version_of(artifact))
