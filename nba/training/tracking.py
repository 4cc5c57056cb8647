"""Log a training run to MLflow and register its model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl

from nba.models.mlflow import ARTIFACT, EVALUATION_TAG, calling_mlflow
from nba.models.propensity import ModelInput, PropensityModel
from nba.models.spec import ModelSpec
from nba.training.card import write_card
from nba.training.fit import FittedModel
from nba.training.metrics import Interval, ModelMetrics
from nba.training.plots import write_plots

_LOADER = "nba.training.pyfunc"
_REQUIREMENTS = ["nba[train]"]
_PREFIXES = {"situation": "f_", "candidate": "a_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Where runs are logged.

    ``artifacts`` is the folder or URL an experiment that does not exist yet keeps its files in;
    ``None`` leaves that to the MLflow server.
    """

    tracking_uri: str
    registry_uri: str | None = None
    experiment: str = "nba"
    artifacts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """A run in MLflow and the model version registered from it."""

    run_id: str
    version: str


def log_model_run(
    tracking: Tracking,
    spec: ModelSpec,
    fitted: FittedModel,
    rows: pl.DataFrame,
    *,
    words: str,
    dataset: str,
    digest: str,
    filled: Mapping[str, int],
) -> LoggedRun:
    """Log parameters, metrics, plots, card and model of a fit, and register the model's version.

    ``rows`` are those it was made from, for an input example that is nobody's; ``words`` the
    owner's part of the card; ``dataset`` and ``digest`` say which data exactly, and ``filled`` how
    many values of which features were computed for it after the fact. No customer's row goes to
    MLflow, so that nothing there has to be erased.

    Raises :class:`UnavailableError` where MLflow does not answer.
    """
    with calling_mlflow() as mlflow, TemporaryDirectory() as temporary:
        folder = Path(temporary)
        client = mlflow.MlflowClient(tracking.tracking_uri, tracking.registry_uri)
        run = client.create_run(_experiment(client, tracking), run_name=spec.name).info
        run_id = str(run.run_id)
        try:
            told = {"dataset": dataset, "dataset_digest": digest}
            told["features_filled"] = msgspec.json.encode(filled).decode()
            _log_figures(mlflow, client, run_id, spec, fitted, told)
            _log_files(client, run_id, folder, write_card(spec, words, fitted), fitted)
            example = _example(fitted.model, rows, spec.sensitive_features)
            _save_model(mlflow, folder / "model", fitted.model, example)
            version = _register(client, spec, fitted, folder / "model", run=run)
        except BaseException:
            client.set_terminated(run_id, status="FAILED")
            raise
        client.set_terminated(run_id)
    return LoggedRun(run_id=run_id, version=version)


def _experiment(client: Any, tracking: Tracking) -> str:
    found = client.get_experiment_by_name(tracking.experiment)
    if found is not None:
        return str(found.experiment_id)
    location = tracking.artifacts
    return str(client.create_experiment(tracking.experiment, artifact_location=location))


def _log_figures(
    mlflow: Any,
    client: Any,
    run_id: str,
    spec: ModelSpec,
    fitted: FittedModel,
    told: Mapping[str, str],
) -> None:
    entities = mlflow.entities
    parameters: Mapping[str, object] = {
        **fitted.parameters,
        "trees": fitted.model.forest.n_trees,
        "outcome": spec.outcome,
        "inputs": len(fitted.model.inputs),
        "rows_fit": len(fitted.periods.fit),
        "rows_calibration": len(fitted.periods.calibration),
        "rows_evaluation": len(fitted.periods.evaluation),
        "evaluated_later": fitted.periods.in_time,
    }
    tags = {**told, "model": spec.name, "owner": spec.owner}
    dataset, digest = told["dataset"], told["dataset_digest"]
    client.log_batch(
        run_id,
        metrics=[
            entities.Metric(name, value, timestamp=fitted.model.trained_through_ms, step=0)
            for name, value in _flat(fitted.metrics).items()
        ],
        params=[entities.Param(name, str(value)) for name, value in parameters.items()],
        tags=[entities.RunTag(name, value) for name, value in tags.items()],
    )
    data = entities.Dataset(
        name=dataset, digest=digest[:36], source_type="nba log", source=f'{{"dataset":"{dataset}"}}'
    )
    context = entities.InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [entities.DatasetInput(data, tags=[context])])


def _flat(metrics: ModelMetrics) -> Mapping[str, float]:
    flat: dict[str, float] = {}
    for field in fields(metrics):
        value = getattr(metrics, field.name)
        if isinstance(value, Interval):
            flat[field.name] = value.estimate
            flat[f"{field.name}_low"] = value.low
            flat[f"{field.name}_high"] = value.high
        else:
            flat[field.name] = float(value)
    return flat


def _log_files(client: Any, run_id: str, folder: Path, card: str, fitted: FittedModel) -> None:
    files = folder / "run"
    files.mkdir()
    write_plots(fitted, files)
    (files / "model_card.md").write_text(card, encoding="utf-8")
    client.log_artifacts(run_id, str(files))


def _example(
    model: PropensityModel, rows: pl.DataFrame, sensitive: Collection[str]
) -> pl.DataFrame:
    """Return one row of what is usual: medians, and the most frequent texts; nobody's own."""
    usual: dict[str, Any] = {}
    for entry in model.inputs:
        values = rows[_PREFIXES[entry.level] + entry.name].drop_nulls()
        if entry.name in sensitive or values.is_empty():
            usual[entry.name] = None
        elif entry.categories is None:
            usual[entry.name] = values.median()
        else:
            usual[entry.name] = values.mode().sort()[0]
    schema = {
        entry.name: pl.Float64() if entry.categories is None else pl.String()
        for entry in model.inputs
    }
    return pl.DataFrame([usual], schema=schema)


def _save_model(mlflow: Any, folder: Path, model: PropensityModel, example: pl.DataFrame) -> None:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    def kind(entry: ModelInput) -> str:
        return "double" if entry.categories is None else "string"

    inputs = [ColSpec(kind(entry), entry.name, required=False) for entry in model.inputs]
    signature = ModelSignature(Schema(inputs), Schema([ColSpec("double")]))
    packed = folder.with_name(ARTIFACT)
    packed.write_bytes(model.to_bytes())
    mlflow.pyfunc.save_model(
        str(folder),
        loader_module=_LOADER,
        data_path=str(packed),
        signature=signature,
        input_example=example.to_pandas(),
        pip_requirements=_REQUIREMENTS,
    )


def _register(client: Any, spec: ModelSpec, fitted: FittedModel, folder: Path, *, run: Any) -> str:
    logged = client.create_logged_model(run.experiment_id, name=spec.name, source_run_id=run.run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    if not client.search_registered_models(f"name = '{spec.name}'"):
        client.create_registered_model(spec.name, description=spec.description)
    version = client.create_model_version(
        spec.name,
        # By location, not by "models:/" address, which MLflow resolves at its global tracking URI.
        source=logged.artifact_location,
        run_id=run.run_id,
        tags={EVALUATION_TAG: str(fitted.metrics.verdict)},
        model_id=logged.model_id,
    )
    return str(version.version)
