"""A model stored, read back and bound scores as the booster does, by category and not by code."""

import msgspec
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nba.errors import CorruptRecordError, DefinitionError
from nba.models import Calibration, ModelInput, PropensityModel, parse_lightgbm

SIX = ("p", "q", "r", "s", "t")
SEVEN = tuple(f"c{i}" for i in range(70))
# x3 to x5 and x7 are the candidate's.
CANDIDATE = ("x3", "x4", "x5", "x7")


def make_model(fitted):
    categories = {"x6": SIX, "x7": SEVEN}
    inputs = tuple(
        ModelInput(
            name=f"x{i}",
            level="candidate" if f"x{i}" in CANDIDATE else "situation",
            categories=categories.get(f"x{i}"),
        )
        for i in range(8)
    )
    return PropensityModel(
        name="accept",
        version="3",
        forest=parse_lightgbm(fitted.text),
        calibration=Calibration(0.75, -0.5),
        inputs=inputs,
        trained_through_ms=1_700_000_000_000,
        base_rate=0.04,
    )


@pytest.fixture(scope="module")
def fitted(fit):
    return fit(21, n_trees=15)


@pytest.fixture(scope="module")
def model(fitted):
    return make_model(fitted)


SITUATION_NAMES = ("unused", "x6", "x2", "x1", "x0")
SITUATION_CATEGORIES = {"x6": ("t", "new", "q", "p", "s", "r"), "unused": ("z",)}
CANDIDATE_NAMES = ("x7", "idle", "x5", "x3", "x4")
CANDIDATE_CATEGORIES = {"x7": ("c2", "new", *reversed(SEVEN[3:]), "c1", "c0")}


def situation_row(rng):
    row = rng.normal(size=5).astype(np.float32)
    row[1] = rng.choice([0, 1, 2, 3, 4, 5, np.nan, 6, -1])
    row[2:][rng.random(3) < 0.2] = np.nan
    return row


def candidate_columns(rng, n):
    columns = rng.normal(size=(n, 5))
    columns[:, 0] = rng.integers(0, 72, n)
    columns[:, 2:][rng.random((n, 3)) < 0.3] = np.nan
    columns[:, 0][rng.random(n) < 0.2] = np.nan
    columns[0, 0] = 0.0
    return columns


def as_trained(row, columns):
    """Return what LightGBM would be given: the model's columns in the model's codes."""
    rows = np.empty((len(columns), 8))
    rows[:, 0], rows[:, 1], rows[:, 2] = (np.float64(row[i]) for i in (4, 3, 2))
    rows[:, 3], rows[:, 4], rows[:, 5] = columns[:, 3], columns[:, 4], columns[:, 2]
    rows[:, 6] = code(row[1], SITUATION_CATEGORIES["x6"], SIX)
    rows[:, 7] = [code(value, CANDIDATE_CATEGORIES["x7"], SEVEN) for value in columns[:, 0]]
    return rows


def code(value, theirs, ours):
    if not 0 <= value < len(theirs) or theirs[int(value)] not in ours:
        return np.nan
    return float(ours.index(theirs[int(value)]))


def bind(model, columns):
    return model.bind(
        SITUATION_NAMES, SITUATION_CATEGORIES, CANDIDATE_NAMES, CANDIDATE_CATEGORIES, columns
    )


def test_logits_are_the_calibrated_scores_of_lightgbm_on_the_models_own_codes(model, fitted):
    rng = np.random.default_rng(8)
    columns = candidate_columns(rng, 40)
    bound = bind(model, columns)
    assert (bound.n_features, bound.n_candidates) == (5, 40)
    for _ in range(60):
        row = situation_row(rng)
        expected = 0.75 * fitted.raw(as_trained(row, columns)) - 0.5
        assert_array_equal(bound.logits(row), expected)
        chosen = rng.permutation(40)[:7]
        assert_array_equal(bound.logits(row, chosen), expected[chosen])


def test_a_candidates_input_may_be_read_from_the_customers_row(model, fitted):
    """x3 and x4, trained as the candidate's, lie beyond the five named columns of the row."""
    rng = np.random.default_rng(9)
    columns = candidate_columns(rng, 30)
    gathers = {"x3": rng.integers(-1, 9, 30), "x4": rng.integers(5, 12, 30), "spare": np.arange(30)}
    bound = model.bind(
        SITUATION_NAMES,
        SITUATION_CATEGORIES,
        ("x7", "idle", "x5"),
        CANDIDATE_CATEGORIES,
        columns[:, :3],
        crosses=gathers,
    )
    assert bound.n_features == max(gathers["x3"].max(), gathers["x4"].max()) + 1
    for _ in range(30):
        row = np.concatenate([situation_row(rng), rng.normal(size=9).astype(np.float32)])
        row[5:][rng.random(9) < 0.2] = np.nan
        values = np.append(row, np.float32(np.nan))
        columns[:, 3], columns[:, 4] = values[gathers["x3"]], values[gathers["x4"]]
        expected = 0.75 * fitted.raw(as_trained(row, columns)) - 0.5
        assert_array_equal(bound.logits(row), expected)
        chosen = rng.permutation(30)[:7]
        assert_array_equal(bound.logits(row, chosen), expected[chosen])
    with pytest.raises(ValueError, match="or longer is expected"):
        bound.logits(row[:5])


def test_a_cross_is_a_number_at_one_position_for_each_candidate(model):
    columns = np.zeros((2, 5))

    def bind_cross(name, gather):
        model.bind(
            *(SITUATION_NAMES, SITUATION_CATEGORIES, CANDIDATE_NAMES, CANDIDATE_CATEGORIES),
            columns,
            crosses={name: np.array(gather)},
        )

    with pytest.raises(DefinitionError, match="input x7: the feature is a number"):
        bind_cross("x7", [0, 1])
    for gather in ([0], [0, 1, 2], [[0, 1]], [0, -2]):
        with pytest.raises(ValueError, match=r"cross x3: \(2,\) positions, each -1 or more"):
            bind_cross("x3", gather)


def test_a_model_read_back_is_the_model_stored(model):
    read = PropensityModel.from_bytes(model.to_bytes())
    assert read.to_bytes() == model.to_bytes()
    for name in ("name", "version", "calibration", "inputs", "trained_through_ms", "base_rate"):
        assert getattr(read, name) == getattr(model, name)
    rng = np.random.default_rng(2)
    row, columns = situation_row(rng), candidate_columns(rng, 10)
    assert_array_equal(bind(read, columns).logits(row), bind(model, columns).logits(row))


def test_a_row_that_is_read_only_is_scored_the_same(model):
    rng = np.random.default_rng(3)
    row = situation_row(rng)
    bound = bind(model, candidate_columns(rng, 4))
    packed = np.frombuffer(row.tobytes(), dtype=np.float32)
    assert_array_equal(bound.logits(packed), bound.logits(row))
    with pytest.raises(ValueError, match=r"row of shape \(4,\); \(5,\) or longer is expected"):
        bound.logits(row[:4])


def test_changing_the_table_after_binding_changes_nothing(model):
    rng = np.random.default_rng(4)
    row, columns = situation_row(rng), candidate_columns(rng, 6)
    bound = bind(model, columns)
    before = bound.logits(row)
    columns[:] = 0.0
    assert_array_equal(bound.logits(row), before)


def test_every_input_the_plan_cannot_feed_is_named(model):
    with pytest.raises(DefinitionError) as caught:
        model.bind(("x0", "x1", "x6"), {"x0": ("a",)}, ("x3", "x4", "x7"), {}, np.zeros((2, 3)))
    assert [(fault.place, fault.found) for fault in caught.value.faults] == [
        ("model accept, input x0", "the feature is an enumeration"),
        ("model accept, input x2", "no such situation feature"),
        ("model accept, input x5", "no such candidate feature"),
        ("model accept, input x6", "the feature is a number"),
        ("model accept, input x7", "the feature is a number"),
    ]


def test_inputs_must_be_the_forests_features(model):
    with pytest.raises(DefinitionError, match=r"model m: inputs x1, x0; the forest's features are"):
        PropensityModel(
            name="m",
            version="1",
            forest=model.forest,
            calibration=Calibration(),
            inputs=(ModelInput("x1", "situation"), ModelInput("x0", "situation")),
            trained_through_ms=0,
            base_rate=0.5,
        )


def test_stored_bytes_that_are_cut_foreign_or_of_another_format_are_refused(model):
    stored = model.to_bytes()
    for damaged in (b"", b"\x00", stored[:40], stored[:-1], msgspec.msgpack.encode({"format": 1})):
        with pytest.raises(CorruptRecordError, match="stored model cannot be read"):
            PropensityModel.from_bytes(damaged)
    newer = msgspec.msgpack.encode({**msgspec.msgpack.decode(stored), "format": 2})
    with pytest.raises(CorruptRecordError, match="format 2; 1 is expected"):
        PropensityModel.from_bytes(newer)
    falling = msgspec.msgpack.encode({**msgspec.msgpack.decode(stored), "slope": -1.0})
    with pytest.raises(CorruptRecordError, match=r"slope -1\.0"):
        PropensityModel.from_bytes(falling)
