"""What is known of customers: declared, noisy, and telling something of what is underneath."""

import numpy as np
import pytest

from nba.features import AttributeFeature
from nba.simulator.population import draw_population
from nba.simulator.tastes import draw_tastes

START_MS = 1_741_000_000_000


@pytest.fixture(scope="module")
def tastes():
    return draw_tastes(5, 3_000)


@pytest.fixture(scope="module")
def records(tastes):
    return draw_population(tastes, seed=5, start_ms=START_MS)


def column(records, name):
    return np.array([record.attributes.get(name, np.nan) for record in records], dtype=float)


def test_equal_seeds_draw_equal_records(tastes, records):
    assert draw_population(tastes, seed=5, start_ms=START_MS) == records
    assert draw_population(tastes, seed=6, start_ms=START_MS) != records


def test_every_attribute_is_declared_and_every_value_allowed(project, records):
    declared = {
        feature.name: feature
        for feature in project.features.definitions
        if isinstance(feature, AttributeFeature)
    }
    assert {name for record in records for name in record.attributes} == set(declared)
    for record in records[:300]:
        for name, value in record.attributes.items():
            if declared[name].values:
                assert value in declared[name].values


def test_attributes_tell_something_but_not_all(tastes, records):
    app = column(records, "has_app")
    age = column(records, "age")
    known = ~np.isnan(age)
    assert 0.5 < np.corrcoef(app, tastes.factor("digital"))[0, 1] < 0.95
    assert -0.999 < np.corrcoef(age[known], tastes.factor("youth")[known])[0, 1] < -0.8
    assert 0.0 < (~known).mean() < 0.1


def test_there_are_minors_employees_and_low_scores_for_guardrails_to_stop(records):
    assert np.nanmin(column(records, "age")) < 18
    assert 0.005 < column(records, "employee").mean() < 0.05
    bands = [record.attributes.get("credit_score_band") for record in records]
    assert bands.count("low") > 100
    assert bands.count(None) > 100


def test_consents_are_words_and_push_needs_the_app_to_allow_it(records):
    words = {
        word for record in records for purposes in record.consents.values()
        for word in purposes.values()
    }  # fmt: skip
    assert words == {"granted", "denied"}
    for record in records:
        assert ("push" in record.consents) == record.attributes["push_enabled"]
    granted = [r.consents["email"].get("marketing") == "granted" for r in records]
    assert np.mean(granted) == pytest.approx(0.75, abs=0.03)


def test_a_body_leaves_out_an_unknown_time_zone(records):
    unknown = next(record for record in records if record.time_zone is None)
    known = next(record for record in records if record.time_zone is not None)
    assert "time_zone" not in unknown.body()
    assert known.body()["time_zone"] == known.time_zone
