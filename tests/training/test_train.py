"""From the log to a registered, promoted, loadable model."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from nba.domain.catalog import Catalog, Direction, Placement
from nba.domain.clock import from_datetime
from nba.domain.ids import PlacementId
from nba.domain.policy import Selector
from nba.domain.taxonomy import Taxonomy
from nba.errors import (
    ConflictError,
    DefinitionError,
    EvaluationRefusedError,
    NotFoundError,
    UnavailableError,
)
from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction
from nba.features.definitions import EventDefinition
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.models.memory import MemoryModelRegistry
from nba.models.mlflow import MlflowRegistry, mlflow_quietly
from nba.training.dataset import resolved_choices
from nba.training.fit import fit_model
from nba.training.metrics import Verdict
from nba.training.tracking import Tracking
from nba.training.train import digest_rows, find_spec, looked_at, pairs_for, promote, train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rows(learnable):
    return resolved_choices(learnable)


@pytest.fixture(scope="module")
def fitted(spec, rows):
    return fit_model(spec, rows)


@pytest.fixture(scope="module")
def trained(spec, learnable, tmp_path_factory):
    """Train into an MLflow of its own; give the tracking, and what came of it."""
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "card.md").write_text("## Intended use\n\nTests.\n")
    tracking = Tracking(
        tracking_uri=f"sqlite:///{folder}/mlflow.db", artifacts=(folder / "artifacts").as_uri()
    )
    return tracking, train(spec, learnable, tracking, dataset="test", root=folder)


def test_periods_follow_one_another_and_the_model_knows_where_it_ends(fitted):
    assert [len(part) for part in (fitted.periods.fit, fitted.periods.calibration)] == [1800, 600]
    assert len(fitted.periods.evaluation) == fitted.metrics.rows == 600
    last = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=2_399)
    assert fitted.model.trained_through_ms == from_datetime(last)


def test_the_model_finds_what_is_there(fitted):
    assert fitted.metrics.verdict is Verdict.BETTER
    assert fitted.metrics.roc_auc > 0.65
    assert fitted.importance["region"] < 0.1 * sum(fitted.importance.values())


def test_the_same_data_and_seed_give_the_same_model_to_the_byte(spec, rows, fitted):
    assert fit_model(spec, rows).model.to_bytes() == fitted.model.to_bytes()


def test_of_ranks_that_are_looked_at_less_than_the_first_no_model_learns(rows):
    places = {
        PlacementId(name): Placement(
            id=PlacementId(name),
            channel="email",
            direction=Direction.OUTBOUND,
            position_effects=effects,
        )
        for name, effects in (("seen", (1.0, 1.0, 0.4)), ("plain", ()))
    }
    known = Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy({}),
        actions=(),
        contents=(),
        placements=tuple(places.values()),
    )
    shown = rows.with_row_index("n").with_columns(
        placement=pl.Series(["seen", "plain", "gone"] * 1_000),
        rank=(pl.col("n") // 3 % 4 + 1).cast(pl.Int32),
    )
    kept = looked_at(shown, known)
    assert kept["n"].to_list() == [n for n in range(3_000) if n % 3 or n // 3 % 4 < 2]
    assert looked_at(shown, None)["n"].to_list() == list(range(3_000))


def test_too_little_is_refused_before_any_fit(spec, rows):
    with pytest.raises(EvaluationRefusedError, match="at least 1000 rows with 50 of each"):
        fit_model(spec, rows.head(500))
    late = rows.with_columns(
        pl.when(pl.int_range(pl.len()) < 2_400).then("label").otherwise(0.0).alias("label")
    )
    with pytest.raises(EvaluationRefusedError, match="600 resolved choices for it, 0 with"):
        fit_model(spec, late)


def test_a_run_keeps_parameters_metrics_plots_and_the_card(trained):
    tracking, result = trained
    with mlflow_quietly() as mlflow:
        client = mlflow.MlflowClient(tracking.tracking_uri)
        run = client.get_run(result.run_id)
        files = {entry.path for entry in client.list_artifacts(result.run_id)}
        card = Path(client.download_artifacts(result.run_id, "model_card.md")).read_text()
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.1"
    assert run.data.params["rows_evaluation"] == "600"
    assert run.data.metrics["log_loss"] == pytest.approx(result.metrics.log_loss)
    assert run.data.metrics["gain_over_base_rate_low"] > 0.0
    assert run.data.tags["dataset_digest"] == result.digest
    assert run.data.tags["features_filled"] == "{}"
    assert run.inputs.dataset_inputs[0].dataset.name == "test"
    plots = {"reliability.png", "cumulative_gain.png", "feature_importance.png"}
    assert files == plots | {"model_card.md"}
    assert card.startswith("# conversion\n\nChance to convert\n")
    assert "## Intended use\n\nTests." in card
    assert f"| log loss | {result.metrics.log_loss:.5f} |" in card


def test_no_customers_row_goes_to_mlflow(trained, rows):
    """The example of a model's inputs is what is usual, and no file has a customer's id."""
    tracking, _ = trained
    folder = Path(tracking.artifacts.removeprefix("file://")).parent
    (example,) = folder.rglob("input_example.json")
    data = json.loads(example.read_text())
    usual = dict(zip(data["columns"], *data["data"], strict=True))
    assert usual["age"] == rows["f_age"].median()
    assert usual["region"] == rows["f_region"].mode().sort()[0]
    customers = {name.encode() for name in rows["customer_id"].head(50)}
    decisions = {name.encode() for name in rows["decision_id"].head(50) if len(name) > 3}
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [name for name in customers | decisions if b'"' + name + b'"' in content]


def test_a_feature_added_after_the_fact_is_trained_on_and_said(spec, learnable, tmp_path):
    """Half of the customers visited an hour before; the log has no column of their visits."""
    (tmp_path / "card.md").write_text("## Intended use\n\nTests.\n")
    tracking = Tracking(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=(tmp_path / "artifacts").as_uri()
    )
    visits = AggregateFeature(
        name="visits", description="", event="visit", function=AggregateFunction.COUNT
    )
    features = FeatureSet([visits], [EventDefinition(name="visit", description="")])
    log = MemoryLog()
    for table in (LogTable.DECISIONS, LogTable.RESOLUTIONS):
        log.append(table, learnable.scan(table).collect())
    before = pl.col("at") - timedelta(hours=1)
    visited = log.scan(LogTable.DECISIONS).gather_every(2).select("customer_id", at=before)
    happened = visited.with_columns(
        received_at="at",
        message_id="customer_id",
        name=pl.lit("visit"),
        properties=pl.lit("{}"),
        version=pl.lit(1, pl.Int64),
    )
    log.append(LogTable.EVENTS, happened.collect())
    wider = replace(spec, customer_features=("age", "visits"))
    result = train(wider, log, tracking, dataset="test", root=tmp_path, features=features)
    assert result.filled == {"visits": 3_000}
    assert "visits" in dict(result.importance)
    with mlflow_quietly() as mlflow:
        client = mlflow.MlflowClient(tracking.tracking_uri)
        tags = client.get_run(result.run_id).data.tags
    assert tags["features_filled"] == '{"visits":3000}'


def test_the_example_of_a_sensitive_input_is_empty(spec, learnable, tmp_path):
    (tmp_path / "card.md").write_text("## Intended use\n\nTests.\n")
    tracking = Tracking(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=(tmp_path / "artifacts").as_uri()
    )
    allowed = replace(spec, sensitive_features=("age",))
    train(allowed, learnable, tracking, dataset="test", root=tmp_path)
    (example,) = tmp_path.rglob("input_example.json")
    data = json.loads(example.read_text())
    assert math.isnan(dict(zip(data["columns"], *data["data"], strict=True))["age"])


def test_serving_loads_the_version_it_is_told_to(trained, fitted):
    tracking, result = trained
    loaded = MlflowRegistry(tracking.tracking_uri).load("conversion", result.version)
    assert loaded.version == result.version == "1"
    assert replace(loaded, version="").to_bytes() == fitted.model.to_bytes()


def test_a_data_scientist_gets_the_same_calibrated_probabilities_from_a_data_frame(
    trained, rows, fitted
):
    tracking, result = trained
    part = rows[fitted.periods.evaluation]
    frame = part.select(
        pl.col("f_age").cast(pl.Float64).alias("age"),
        pl.col("f_region").alias("region"),
        pl.col("a_action_id").alias("action_id"),
    ).to_pandas()
    with mlflow_quietly() as mlflow:
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(tracking.tracking_uri)
        try:
            model = mlflow.pyfunc.load_model(f"models:/conversion/{result.version}")
            found = model.predict(frame)
            unseen = model.predict(frame.head(1).assign(region="atlantis"))
            absent = model.predict(frame.head(1).drop(columns="region"))
        finally:
            mlflow.set_tracking_uri(before)
    np.testing.assert_array_equal(found, fitted.probabilities)
    np.testing.assert_array_equal(unseen, absent)


def test_promotion_moves_the_alias_and_says_where_it_was(trained):
    tracking, result = trained
    registry = MlflowRegistry(tracking.tracking_uri)
    first = promote(registry, "conversion", result.version)
    assert (first.previous, first.evaluation) == (None, "better")
    assert registry.alias_version("conversion", "champion") == result.version
    assert promote(registry, "conversion", result.version).previous == result.version
    with pytest.raises(NotFoundError, match="'conversion' has no version '7'; it has 1"):
        promote(registry, "conversion", "7")


class _Judged(MemoryModelRegistry):
    """A registry that remembers what was found of its versions."""

    def __init__(self, found):
        super().__init__()
        self._found = found

    def evaluation(self, name, version):
        return self._found[name, version]


def test_a_version_worse_than_the_base_rate_is_promoted_by_force_only(fitted):
    registry = _Judged({("conversion", "1"): "better", ("conversion", "2"): "worse"})
    for _ in range(2):
        registry.register(fitted.model)
    promote(registry, "conversion", "1")
    with pytest.raises(ConflictError, match="significantly worse than the base rate"):
        promote(registry, "conversion", "2")
    assert registry.alias_version("conversion", "champion") == "1"
    promoted = promote(registry, "conversion", "2", force=True)
    assert (promoted.version, promoted.previous, promoted.evaluation) == ("2", "1", "worse")
    assert registry.alias_version("conversion", "champion") == "2"


def test_an_empty_log_is_refused_and_leaves_no_run(spec, tmp_path):
    tracking = Tracking(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(EvaluationRefusedError, match="0 resolved choices"):
        train(spec, MemoryLog(), tracking, dataset="d", root=tmp_path)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_feature_never_recorded_is_named(spec, learnable, tmp_path):
    wrong = replace(spec, customer_features=("age", "regoin"))
    tracking = Tracking(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(DefinitionError, match="'regoin'; did you mean 'region'"):
        train(wrong, learnable, tracking, dataset="d", root=tmp_path)


def test_an_mlflow_that_does_not_answer_is_unavailable(tmp_path, monkeypatch):
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", "http://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(UnavailableError, match="does not answer"):
            MlflowRegistry(uri).versions("m")


def test_a_selector_without_keys_takes_no_action_too_and_others_do_not():
    everything, email = pairs_for(Selector(), None), pairs_for(Selector(channels=("email",)), None)
    assert everything("no_action", "p", "sms")
    assert email("shoes", "p", "email")
    assert not email("shoes", "p", "sms")
    assert not email("no_action", "p", "email")


def test_the_digest_is_of_the_rows_and_not_of_their_order(rows):
    digest = digest_rows(rows)
    assert digest == digest_rows(rows.reverse())
    assert digest != digest_rows(rows.head(2_999))


def test_specs_are_found_where_they_lie(tmp_path):
    assert find_spec("hillstrom_visit", root=ROOT).outcome == "visit"
    with pytest.raises(NotFoundError, match="did you mean 'hillstrom_visit'"):
        find_spec("hillstrom_visits", root=ROOT)
    with pytest.raises(NotFoundError, match="there are: none"):
        find_spec("any", root=tmp_path)


def test_the_runs_that_mlflow_sees_name_every_parameter_they_use():
    project = yaml.safe_load((ROOT / "training" / "MLproject").read_text())
    assert set(project["entry_points"]) == {"main", "evaluate", "promote"}
    for entry in project["entry_points"].values():
        named = dict.fromkeys(entry["parameters"], "x")
        assert entry["command"].format(**named).startswith("nba ")
        assert all(f"{{{name}}}" in entry["command"] for name in named)
