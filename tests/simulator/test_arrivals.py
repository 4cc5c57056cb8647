"""Arrivals: seeded, in order, plausible, and with a context the service accepts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nba.simulator.arrivals import DRAWS

START_MS = 1_741_000_000_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def many(world):
    return world.arrivals(stream=3, count=5_000, start_ms=START_MS, days=10.0)


def test_one_stream_is_always_the_same_and_others_differ(world, many):
    again = world.arrivals(stream=3, count=5_000, start_ms=START_MS, days=10.0)
    other = world.arrivals(stream=4, count=5_000, start_ms=START_MS, days=10.0)
    assert np.array_equal(again.at_ms, many.at_ms)
    assert np.array_equal(again.draws, many.draws)
    assert not np.array_equal(other.draws, many.draws)
    assert again.stream != other.stream


def test_arrivals_are_in_order_and_within_their_days(many):
    assert len(many) == 5_000
    assert (np.diff(many.at_ms) >= 0).all()
    assert many.at_ms[0] >= START_MS
    assert many.at_ms[-1] < START_MS + 10 * DAY_MS


def test_only_users_of_the_app_arrive_where_it_takes_the_app(world, many):
    for index in range(len(many)):
        if many.channel(index) in {"app", "push"}:
            assert world.records[many.customers[index]].attributes["has_app"]


def test_placements_are_met_by_their_shares(world, many):
    names = [world.placement(int(index)).id for index in many.placements]
    assert names.count("web.home.hero") / 5_000 == pytest.approx(0.20, abs=0.02)
    assert names.count("email.body") / 5_000 == pytest.approx(0.20, abs=0.02)


def test_daypart_is_the_customers_own(world, many):
    for index in range(300):
        zone = ZoneInfo(world.records[many.customers[index]].time_zone or "Europe/Berlin")
        moment = datetime.fromtimestamp(many.at_ms[index] / 1_000, UTC).astimezone(zone)
        hours = {"morning": range(6, 12), "afternoon": range(12, 17), "evening": range(17, 23)}
        daypart = next((name for name, span in hours.items() if moment.hour in span), "night")
        assert many.context(index)["daypart"] == daypart


def test_every_context_is_accepted(project, many):
    for index in range(500):
        project.features.read(None, at_ms=int(many.at_ms[index]), context=many.context(index))


def test_the_loyal_come_more_often(world, many):
    visits = np.bincount(many.customers, minlength=600)
    assert np.corrcoef(visits, world.tastes.factor("loyal"))[0, 1] > 0.2


def test_draws_are_uniform_and_by_name(many):
    assert many.draws.shape == (5_000, len(DRAWS))
    assert np.abs(many.draws.mean(axis=0) - 0.5).max() < 0.02
    assert many.draw(7, "value") == many.draws[7, DRAWS.index("value")]
