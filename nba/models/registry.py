"""Port to the model registry: which version of a model serves, and the model itself."""

from __future__ import annotations

from typing import Protocol

from nba.models.propensity import PropensityModel


class ModelRegistry(Protocol):
    """Versions of models by name; an alias (``champion``) points at one version of a name."""

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model, oldest first; empty where there is no such model."""
        ...

    def alias_version(self, name: str, alias: str) -> str | None:
        """Return the version an alias points at, or ``None`` where there is no such alias."""
        ...

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; :class:`NotFoundError` where there is no such version."""
        ...

    def load(self, name: str, version: str) -> PropensityModel:
        """Return a version of a model, which says that version of itself.

        Raises :class:`NotFoundError` where there is none.
        """
        ...
