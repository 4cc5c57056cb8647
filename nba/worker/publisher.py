"""Publishing plans: a checked project and the models its aliases point at, as one artifact."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from nba.catalog.store import ControlStore
from nba.decision.artifact import pack_plan, unpack_plan, version_of
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import Project
from nba.domain.clock import Clock
from nba.domain.ids import ModelName
from nba.errors import NbaError
from nba.features import StoredLayout
from nba.models import ModelRegistry, ModelSpec, PropensityModel

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
        self._loaded: dict[tuple[ModelName, str], PropensityModel] = {}

    def publish(self, project: Project, *, note: str, author: str) -> Plan:
        """Compile, keep and make current; raises before anything is half-applied."""
        known = [
            StoredLayout.from_builtins(msgspec.msgpack.decode(data))
            for data in self._control.layouts().values()
        ]
        others = [layout for layout in known if layout.layout_id != project.features.layout_id]
        features = project.features.with_previous(others)
        models = self._models(project.models)
        artifact = pack_plan(replace(project, features=features), models)
        digest = version_of(artifact)
        plan = compile_plan(unpack_plan(artifact), digest=digest)
        at_ms = self._clock()
        layout = project.features.layout
        self._control.save_layout(layout.layout_id, msgspec.msgpack.encode(layout.to_builtins()))
        self._control.save_plan(digest, artifact, note=note, author=author, at_ms=at_ms)
        if self._control.current() != digest:
            self._control.set_current(digest, at_ms)
            self._control.audit(at_ms, author, "publish", digest, note)
        return plan

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

    def _models(self, specs: tuple[ModelSpec, ...]) -> Mapping[ModelName, PropensityModel]:
        """Load the live version of each model; one that cannot be loaded is left out, loudly."""
        self._live = self._versions(specs)
        models: dict[ModelName, PropensityModel] = {}
        for name, version in self._live.items():
            if (name, version) not in self._loaded and self._registry is not None:
                try:
                    self._loaded[name, version] = self._registry.load(name, version)
                except NbaError:
                    _logger.exception("model %s version %s cannot be loaded", name, version)
                    continue
            models[name] = self._loaded[name, version]
        return models
