"""The journey engine: in order, on time, once, and the same each time."""

import asyncio
from datetime import datetime

import pytest

from nba.domain.clock import ManualClock
from nba.domain.customer import Consent
from nba.errors import UnavailableError
from nba.simulator.journey import Journey
from nba.simulator.pace import ManualPace
from nba.simulator.world import build_world

DAY_MS = 86_400_000


def milliseconds(text):
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def play(world, arrivals, port, *, drain_days=0.0, workers=1, progress=None):
    journey = Journey(world, port, pace=ManualPace(port.clock), workers=workers)
    asyncio.run(journey.play(arrivals, drain_days=drain_days, progress=progress))
    return journey


def test_customers_are_introduced_with_their_past(world, port):
    journey = Journey(world, port, pace=ManualPace(port.clock))
    asyncio.run(journey.introduce())
    assert [customer for customer, _, _ in port.profiles] == [r.customer_id for r in world.records]
    assert len(port.tracked) == len(list(world.past_events()))
    evidence = journey.memory.evidence()
    record = world.records[0]
    word = record.consents["email"].get("marketing", "unknown")
    assert evidence.consent(record.customer_id, "email", "marketing", at_ms=1) == Consent(word)


def test_every_arrival_is_asked_about_once_at_its_time(world, arrivals, port):
    seen = []
    journey = play(world, arrivals, port, progress=lambda done, total: seen.append((done, total)))
    assert len(port.asked) == len(arrivals) == len(journey.memory.played)
    for index, (request, at_ms) in enumerate(port.asked.values()):
        assert at_ms == arrivals.at_ms[index]
        assert request["customer_id"] == world.records[arrivals.customers[index]].customer_id
        assert request["context"] == arrivals.context(index)
    assert seen == [(done, 400) for done in range(1, 401)]


def test_nothing_is_reported_before_it_happened(world, arrivals, port):
    play(world, arrivals, port, drain_days=20.0)
    assert port.reported
    for body, told_ms in port.reported.values():
        assert milliseconds(body["at"]) <= told_ms
    for body, told_ms in port.tracked.values():
        assert milliseconds(body["timestamp"]) <= told_ms


def test_what_comes_later_than_the_end_is_reported_while_draining(world, arrivals, port):
    journey = play(world, arrivals, port)
    waiting = journey.unreported
    assert waiting > 0
    ended_ms = port.clock()
    again = type(port)(ManualClock(world.start_ms))
    assert play(world, arrivals, again, drain_days=90.0).unreported < 0.05 * waiting
    assert again.clock() == ended_ms + 90 * DAY_MS


def test_realised_values_are_what_was_reported(world, arrivals, port):
    journey = play(world, arrivals, port, drain_days=400.0)
    assert journey.unreported == 0
    values = {b["decision_id"]: b["value"] for b, _ in port.reported.values() if "value" in b}
    cost = world.actions["women_new_season"].cost
    accepted = 0
    for played in journey.memory.played:
        assert played.accepted == (played.decision_id in values)
        assert played.value == pytest.approx(values.get(played.decision_id, 0.0) - cost)
        accepted += played.accepted
    assert accepted > 5


def test_two_plays_of_one_world_are_the_same(world, arrivals, port):
    again = type(port)(ManualClock(world.start_ms))
    first = play(world, arrivals, port, drain_days=5.0)
    second = play(world, arrivals, again, drain_days=5.0)
    assert port.reported == again.reported
    assert port.tracked == again.tracked
    assert [p.value for p in first.memory.played] == [p.value for p in second.memory.played]


def test_many_workers_play_everything_once(world, arrivals, port):
    journey = play(world, arrivals, port, workers=8, drain_days=400.0)
    assert port.most_under_way == 8
    assert sorted(p.arrival for p in journey.memory.played) == list(range(len(arrivals)))
    assert len(port.asked) == len(arrivals)
    assert journey.unreported == 0


def test_contacts_tire_and_their_number_is_remembered(world, arrivals, port):
    played = play(world, arrivals, port).memory.played
    seen = set()
    for item in played:
        assert (item.exposure.contacts > 0) == (item.customer in seen)
        seen.add(item.customer)


def test_saying_nothing_is_no_contact(world, arrivals, clock, port):
    port.action = "no_action"
    assert all(p.exposure.contacts == 0 for p in play(world, arrivals, port).memory.played)


def test_who_is_driven_away_withdraws_consent_and_the_evidence_says_when(project, clock, port):
    small = build_world(project.catalog, seed=2, start_ms=clock(), customers=10)
    arrivals = small.arrivals(stream=2, count=600, start_ms=clock(), days=6.0)
    journey = play(small, arrivals, port, drain_days=1.0)
    assert port.profiles
    changes = {(c.customer_id, c.channel): c.at_ms for c in journey.memory.consents}
    for customer_id, body, told_ms in port.profiles:
        (channel,) = body["consents"]
        assert body["consents"] == {channel: {"marketing": "denied"}}
        assert changes[customer_id, channel] >= told_ms
    lapses = [p.exposure.lapses for p in journey.memory.played]
    assert max(lapses) >= 1


def test_one_failure_among_many_workers_is_told_as_itself(world, arrivals, port):
    async def fail(_batch):
        raise UnavailableError("gone")

    port.events = fail
    with pytest.raises(UnavailableError, match="gone"):
        play(world, arrivals, port, workers=4)
