"""Model versions in an MLflow registry.

A registered version is an MLflow model a data scientist can load and call; serving takes one file
of it, :data:`ARTIFACT`, and needs neither LightGBM nor unpickling to read it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from nba.errors import NotFoundError, UnavailableError
from nba.models.propensity import PropensityModel

ARTIFACT = "propensity.msgpack"
"""Name of the file with the packed :class:`~nba.models.propensity.PropensityModel`."""

ARTIFACT_PATH = f"data/{ARTIFACT}"
"""Where it lies in a registered version."""

EVALUATION_TAG = "evaluation"
"""Tag of a version: how it did against the base rate on its evaluation period."""

_HARMLESS = (
    "The ``noload`` loader strategy is deprecated",  # MLflow's tables, SQLAlchemy 2.1
    ".*Any type hint is inferred as AnyType",  # MLflow's own types, while it is imported
    "Operation with range is deprecated",  # MLflow saving an input example, pandas 3
)
_CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc", "mlflow.models.model")
_ABSENT = "RESOURCE_DOES_NOT_EXIST"


@contextmanager
def mlflow_quietly() -> Iterator[Any]:
    """Import MLflow and give it, with the warnings of its own making and its chatter held back.

    Its usage reports to its makers are turned off: this system calls nobody it was not told to.
    """
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    with warnings.catch_warnings():
        for message in _HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        import mlflow
        import mlflow.pyfunc
        from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
        from mlflow.telemetry import set_telemetry_client

        MLFLOW_DISABLE_TELEMETRY.set("true")
        set_telemetry_client()
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield mlflow
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def calling_mlflow() -> Iterator[Any]:
    """Give MLflow as :func:`mlflow_quietly` does, and turn its errors into ours.

    What it does not have is a :class:`NotFoundError`, all else :class:`UnavailableError`.
    """
    with mlflow_quietly() as mlflow:
        try:
            yield mlflow
        except mlflow.exceptions.MlflowException as error:
            if error.error_code == _ABSENT:
                raise NotFoundError(str(error)) from error
            raise UnavailableError(f"MLflow does not answer: {error}") from error
        except SQLAlchemyError as error:
            raise UnavailableError(f"MLflow's database does not answer: {error}") from error


class MlflowRegistry:
    """A :class:`~nba.models.registry.ModelRegistry` on an MLflow server or database.

    Every call raises :class:`UnavailableError` where MLflow does not answer.

    Parameters
    ----------
    tracking_uri
        ``http(s)://`` of an MLflow server, or a database such as ``sqlite:///data/mlflow.db``.
    registry_uri
        The registry, where it is another one.

    """

    def __init__(self, tracking_uri: str, registry_uri: str | None = None) -> None:
        self._tracking_uri = tracking_uri
        with calling_mlflow() as mlflow:
            self._client = mlflow.MlflowClient(tracking_uri, registry_uri or tracking_uri)

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model, oldest first; empty where there is no such model."""
        with calling_mlflow():
            found = self._client.search_model_versions(f"name = '{name}'")
        return tuple(str(number) for number in sorted(int(entry.version) for entry in found))

    def alias_version(self, name: str, alias: str) -> str | None:
        """Return the version an alias points at, or ``None`` where there is no such alias."""
        try:
            with calling_mlflow():
                aliases: Mapping[str, object] = self._client.get_registered_model(name).aliases
        except NotFoundError:
            return None
        return str(aliases[alias]) if alias in aliases else None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; :class:`NotFoundError` where there is no such version."""
        self._require(name, version)
        with calling_mlflow():
            self._client.set_registered_model_alias(name, alias, version)

    def load(self, name: str, version: str) -> PropensityModel:
        """Return a version of a model; :class:`NotFoundError` where there is none."""
        self._require(name, version)
        with calling_mlflow() as mlflow, TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{self._location(name, version)}/{ARTIFACT_PATH}",
                dst_path=folder,
                tracking_uri=self._tracking_uri,
            )
            model = PropensityModel.from_bytes(Path(path).read_bytes())
        return replace(model, version=version)

    def evaluation(self, name: str, version: str) -> str | None:
        """Return how a version did against the base rate; ``None`` where nobody said."""
        self._require(name, version)
        with calling_mlflow():
            tags: Mapping[str, str] = self._client.get_model_version(name, version).tags
        return tags.get(EVALUATION_TAG)

    def _location(self, name: str, version: str) -> str:
        return str(self._client.get_model_version_download_uri(name, version))

    def _require(self, name: str, version: str) -> None:
        known = self.versions(name)
        if version not in known:
            found = ", ".join(known) or "none"
            raise NotFoundError(f"model {name!r} has no version {version!r}; it has {found}")
