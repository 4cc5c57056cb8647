"""What follows a decision agrees with the stated truth and with the luck of its arrival."""

from datetime import datetime

import numpy as np
import pytest

from nba.domain.outcome import SHOWN_OUTCOMES
from nba.simulator.aftermath import aftermath
from nba.simulator.truth import UNEXPOSED, Exposure

START_MS = 1_741_000_000_000


@pytest.fixture(scope="module")
def many(world):
    return world.arrivals(stream=5, count=12_000, start_ms=START_MS, days=30.0)


def play(world, arrivals, index, action, *, content=None, exposure=UNEXPOSED):
    at_ms = int(arrivals.at_ms[index])
    effects = world.truth.effects(
        int(arrivals.customers[index]),
        int(arrivals.placements[index]),
        at_ms=at_ms,
        context=arrivals.context(index),
        exposure=exposure,
    )
    return aftermath(
        world,
        arrivals,
        index,
        decision_id=f"d{index}",
        action_id=action,
        content=content,
        effect=float(effects[world.truth.action_index[action]]),
        at_ms=at_ms,
        exposure=exposure,
    )


def stated(world, arrivals, index, action, content=None):
    row = world.actions[action]
    value = world.truth.expected_value(
        int(arrivals.customers[index]),
        action,
        placement=world.placement(int(arrivals.placements[index])).id,
        content=content,
        at_ms=int(arrivals.at_ms[index]),
        context=arrivals.context(index),
    )
    return (value + row.cost) / row.value


@pytest.mark.parametrize("action", ["no_action", "women_new_season", "kids_bundle", "club_join"])
def test_outcome_rates_agree_with_the_stated_probability(world, many, action):
    content = next((c.id for c in world.catalog.contents if c.action == action), None)
    chances = [stated(world, many, index, action, content) for index in range(len(many))]
    played = [play(world, many, index, action, content=content) for index in range(len(many))]
    expected, spread = np.sum(chances), np.sqrt(np.sum(np.multiply(chances, 1 - np.array(chances))))
    assert abs(sum(after.accepted for after in played) - expected) < 3.5 * spread
    values = [after.value for after in played if after.accepted]
    mean, margin = world.actions[action].value, 3.5 * 0.37 / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(mean, rel=margin)


def test_one_arrival_brings_one_luck(world, many):
    """Whoever accepts a less fitting content would have accepted a better one too."""
    contents = [c.id for c in world.catalog.contents if c.action == "women_new_season"]
    by_effect = sorted(contents, key=lambda c: world.truth.content_effect(0.1, c))
    low, high = by_effect[0], by_effect[-1]
    for index in range(1_500):
        first = play(world, many, index, "women_new_season", content=low)
        again = play(world, many, index, "women_new_season", content=low)
        better = play(world, many, index, "women_new_season", content=high)
        assert first == again
        assert first.accepted <= better.accepted


def test_organic_purchases_happen_under_every_action(world, many):
    def organic(after):
        return [b["messageId"] for _, b in after.events if b["messageId"].endswith("-organic")]

    for index in range(1_500):
        left_alone = play(world, many, index, "no_action")
        assert organic(left_alone) == organic(play(world, many, index, "club_join"))
        assert left_alone.accepted == bool(organic(left_alone))


def test_saying_nothing_shows_nothing_and_harms_nobody(world, many):
    for index in range(1_500):
        after = play(world, many, index, "no_action", exposure=Exposure(contacts=8))
        assert not {body["kind"] for _, body in after.outcomes} & SHOWN_OUTCOMES
        assert not after.lapsed


def test_the_desired_outcome_is_reported_by_its_own_name_with_its_value(world, many):
    for index in range(2_000):
        after = play(world, many, index, "return_help")
        kinds = [body["kind"] for _, body in after.outcomes]
        assert kinds.count("accept") == after.accepted
        for _, body in after.outcomes:
            assert ("value" in body) == (body["kind"] == "accept")


def test_bodies_say_the_moment_they_become_known(world, many):
    for index in range(500):
        after = play(world, many, index, "women_new_season")
        for at_ms, body in [*after.outcomes, *after.events]:
            moment = datetime.fromisoformat(body.get("at") or body["timestamp"])
            assert round(moment.timestamp() * 1_000) == at_ms
            assert at_ms > many.at_ms[index]


def test_conversions_come_late_and_some_beyond_the_horizon(world, many):
    horizon = world.actions["women_new_season"].horizon.total_seconds()
    delays = [
        (at_ms - int(many.at_ms[index])) / 1_000
        for index in range(len(many))
        for at_ms, body in play(world, many, index, "women_new_season").outcomes
        if body["kind"] == "convert"
    ]
    assert 3 * 3_600 < np.median(delays) < 20 * 3_600
    assert 0.0 < np.mean(np.array(delays) > horizon) < 0.05


def test_contact_upon_contact_brings_complaints_and_drives_away(world, many):
    emails = [i for i in range(len(many)) if many.channel(i) == "email"]

    def harm(contacts):
        after = [
            play(world, many, i, "women_new_season", exposure=Exposure(contacts)) for i in emails
        ]
        complaints = sum(b["event"] == "Complaint Opened" for a in after for _, b in a.events)
        return complaints, sum(a.lapsed for a in after)

    few, more = harm(0.0), harm(8.0)
    assert few[0] < more[0]
    assert few[1] < more[1] < 0.1 * len(emails)


def test_ids_are_unique_within_a_stream(world, many):
    ids = [
        body["outcome_id"]
        for index in range(2_000)
        for _, body in play(world, many, index, "women_new_season").outcomes
    ]
    assert len(set(ids)) == len(ids)
