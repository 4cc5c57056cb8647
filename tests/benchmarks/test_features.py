"""What the feature store's benchmarks measure is what their figures say."""

import json

import numpy as np
import pytest

from benchmarks.features import api, population, reading, replaying
from benchmarks.features.definitions import COMPLETEJOURNEY, FIFTY, load
from nba.domain.customer import Event
from nba.domain.ids import CustomerId
from nba.features import AggregateFeature

NOW_MS = 1_750_000_000_000


@pytest.fixture(scope="module")
def fifty():
    return load(FIFTY)


def test_the_measured_sets_are_as_wide_as_the_figures_say(fifty):
    aggregates = [item for item in fifty.definitions if isinstance(item, AggregateFeature)]
    assert len(fifty.names) == 50
    assert sum(item.window is not None for item in aggregates) == 20
    assert len(load(COMPLETEJOURNEY).names) == 40


def test_the_event_that_moves_ten_aggregates_changes_ten_values(fifty):
    event = Event(
        customer_id=CustomerId("c"),
        name=population.MOVES_TEN,
        message_id="m",
        at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        properties={"amount": 10.0, "items": 2.0},
    )
    before = fifty.read(None, at_ms=NOW_MS).features
    after = fifty.read(fifty.apply(None, event), at_ms=NOW_MS).features
    assert (~np.isclose(before, after, equal_nan=True)).sum() == 10


def test_every_customer_has_every_attribute_and_the_same_seed_gives_the_same(fifty):
    people = population.customers(20, seed=4)
    assert people.null_count().sum_horizontal().item() == 0
    assert people.equals(population.customers(20, seed=4))
    assert not people.equals(population.customers(20, seed=5))
    packed = population.packed_profiles(fifty, 20, 3.0, seed=4, now_ms=NOW_MS)
    rows = np.array([fifty.read(one, at_ms=NOW_MS).features for one in packed.values()])
    attributes = [fifty.names.index(name) for name in people.columns if name != "customer_id"]
    assert len(attributes) == 22
    assert not np.isnan(rows[:, attributes]).any()


def test_events_arrive_in_order_within_the_last_year():
    frame = population.events(50, 4.0, seed=1, now_ms=NOW_MS)
    assert frame.height == 200
    assert frame["message_id"].n_unique() == 200
    assert frame["at_ms"].is_sorted()
    assert frame["at_ms"].min() >= NOW_MS - 365 * population.DAY_MS
    assert frame["at_ms"].max() <= NOW_MS


def test_a_batch_holds_a_hundred_messages_and_none_comes_twice():
    requests = api.batches(population.events(10, 25.0, seed=1, now_ms=NOW_MS), now_ms=NOW_MS)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]
    assert [len(body["batch"]) for body in bodies] == [100, 100]
    assert len({message["messageId"] for body in bodies for message in body["batch"]}) == 200


def test_feast_is_represented_by_the_best_of_its_variants():
    samples = {
        "nba read, 64": [2.0, 4.0, 3.0],
        "bare GET, 64": [2.0, 2.0, 2.0],
        "nba read, 1": [10.0, 10.0, 10.0],
        "bare GET, 1": [5.0, 5.0, 5.0],
        "plain": [90.0, 70.0, 80.0],
        "async, 64 at once": [60.0, 60.0, 60.0],
    }
    told = reading.figures(samples, ["plain", "async, 64 at once"], "how")
    values = {one["name"]: one["value"] for one in told}
    assert values["read 50 features, 64 at once: Feast / nba"] == pytest.approx(60 / 3)
    assert values["read 50 features, one at a time: Feast / nba"] == pytest.approx(80 / 10)
    assert values["read 50 features, 64 at once: nba / bare GET"] == pytest.approx(3 / 2)


def test_a_value_that_differs_is_counted_and_its_feature_named(fifty):
    rows = np.full((2, 50), np.nan, dtype=np.float32)
    rows[0, 3] = 100.0
    other = rows.copy()
    assert replaying.compare(fifty, rows, other) == (0, ())
    other[0, 3], other[1, 7] = np.nextafter(np.float32(100), np.float32(101)), 0.0
    assert replaying.compare(fifty, rows, other) == (2, (fifty.names[3], fifty.names[7]))
