"""A model registry in memory: for tests, and for services without MLflow."""

from __future__ import annotations

from dataclasses import replace

from nba.errors import NotFoundError
from nba.models.propensity import PropensityModel


class MemoryModelRegistry:
    """Keeps models for as long as the process lives; versions count from ``1``."""

    def __init__(self) -> None:
        self._models: dict[str, list[PropensityModel]] = {}
        self._aliases: dict[tuple[str, str], str] = {}

    def register(self, model: PropensityModel) -> str:
        """Add a model as the next version of its name and return that version."""
        models = self._models.setdefault(model.name, [])
        version = str(len(models) + 1)
        models.append(replace(model, version=version))
        return version

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model, oldest first; empty where there is no such model."""
        return tuple(model.version for model in self._models.get(name, ()))

    def alias_version(self, name: str, alias: str) -> str | None:
        """Return the version an alias points at, or ``None`` where there is no such alias."""
        return self._aliases.get((name, alias))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; :class:`NotFoundError` where there is no such version."""
        self._aliases[name, alias] = self.load(name, version).version

    def load(self, name: str, version: str) -> PropensityModel:
        """Return a version of a model; :class:`NotFoundError` where there is none."""
        for model in self._models.get(name, ()):
            if model.version == version:
                return model
        found = ", ".join(self.versions(name)) or "none"
        raise NotFoundError(f"model {name!r} has no version {version!r}; it has {found}")
