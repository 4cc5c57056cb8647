"""What every model registry promises; one suite runs on all of them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nba.errors import NotFoundError
from nba.models import (
    Calibration,
    MemoryModelRegistry,
    ModelInput,
    ModelRegistry,
    PropensityModel,
    parse_lightgbm,
)
from nba.models.mlflow import ARTIFACT_PATH, MlflowRegistry, mlflow_quietly


@dataclass
class Registry:
    """A registry, and how a trained model gets into it."""

    port: ModelRegistry
    register: Callable[[PropensityModel], str]


def in_memory(folder: Path, empty_mlflow: Path) -> Registry:
    registry = MemoryModelRegistry()
    return Registry(registry, registry.register)


def in_mlflow(folder: Path, empty_mlflow: Path) -> Registry:
    uri = f"sqlite:///{shutil.copy(empty_mlflow, folder)}"
    with mlflow_quietly() as mlflow:
        client = mlflow.MlflowClient(uri, uri)

    def register(model: PropensityModel) -> str:
        if not client.search_registered_models(f"name = '{model.name}'"):
            client.create_registered_model(model.name)
        source = folder / f"{model.name}-{len(list(folder.iterdir()))}"
        (source / ARTIFACT_PATH).parent.mkdir(parents=True)
        (source / ARTIFACT_PATH).write_bytes(model.to_bytes())
        return str(client.create_model_version(model.name, source.as_uri()).version)

    return Registry(MlflowRegistry(uri), register)


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory):
    """Give an MLflow database without models; making one takes seconds, so it is copied."""
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowRegistry(f"sqlite:///{database}").versions("none")
    return database


@pytest.fixture(params=[in_memory, in_mlflow], ids=lambda build: build.__name__)
def registry(request, tmp_path, empty_mlflow):
    """Every registry, empty."""
    return request.param(tmp_path, empty_mlflow)


@pytest.fixture
def model(fit):
    forest = parse_lightgbm(fit(1, n_trees=2).text)

    def named(name, intercept=0.0):
        return PropensityModel(
            name=name,
            version="",
            forest=forest,
            calibration=Calibration(1.0, intercept),
            inputs=tuple(ModelInput(f"x{i}", "situation") for i in range(8)),
            trained_through_ms=5,
            base_rate=0.1,
        )

    return named


def test_versions_are_listed_oldest_first_by_name(registry, model):
    added = [registry.register(model(name)) for name in ("a", "b", "a")]
    assert registry.port.versions("a") == (added[0], added[2])
    assert registry.port.versions("b") == (added[1],)
    assert registry.port.versions("c") == ()


def test_a_version_is_loaded_as_it_was_registered(registry, model):
    first = registry.register(model("a", 0.25))
    second = registry.register(model("a", 0.75))
    assert registry.port.load("a", first).calibration == Calibration(1.0, 0.25)
    loaded = registry.port.load("a", second)
    assert loaded.calibration == Calibration(1.0, 0.75)
    assert loaded.forest.text == model("a").forest.text
    assert (loaded.trained_through_ms, loaded.base_rate) == (5, 0.1)
    assert loaded.version == second


def test_an_alias_points_at_one_version_until_it_is_moved(registry, model):
    first, second = registry.register(model("a")), registry.register(model("a"))
    assert registry.port.alias_version("a", "champion") is None
    registry.port.set_alias("a", "champion", second)
    assert registry.port.alias_version("a", "champion") == second
    registry.port.set_alias("a", "champion", first)
    assert registry.port.alias_version("a", "champion") == first
    assert registry.port.alias_version("a", "challenger") is None
    assert registry.port.alias_version("b", "champion") is None


def test_a_version_that_is_not_there_is_neither_loaded_nor_pointed_at(registry, model):
    version = registry.register(model("a"))
    with pytest.raises(NotFoundError, match="model 'a' has no version '99'"):
        registry.port.load("a", "99")
    with pytest.raises(NotFoundError, match="model 'b' has no version"):
        registry.port.load("b", version)
    with pytest.raises(NotFoundError, match="model 'a' has no version '99'"):
        registry.port.set_alias("a", "champion", "99")
    assert registry.port.alias_version("a", "champion") is None
