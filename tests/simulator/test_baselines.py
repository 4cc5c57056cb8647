"""Replays under the real guardrails: same arrivals, same luck, honest order of merit."""

import asyncio

import pytest

from nba.simulator.baselines import constant, no_action, oracle, random, run_baseline
from nba.simulator.report import summarise


@pytest.fixture(scope="module")
def stream(world):
    return world.arrivals(stream=6, count=1_200, start_ms=world.start_ms, days=6.0)


def replay(world, stream, make_service, chooser):
    return asyncio.run(run_baseline(world, stream, chooser, make_service=make_service))


def test_perfect_knowledge_beats_chance_and_constants(world, stream, make_service):
    value = {
        name: summarise(name, replay(world, stream, make_service, chooser)).expected_value
        for name, chooser in {
            "oracle": oracle,
            "random": random,
            "no_action": no_action,
            "constant": constant("women_new_season"),
        }.items()
    }
    assert value["oracle"] > 1.5 * value["constant"]
    assert value["oracle"] > 2.0 * value["random"]
    assert value["random"] > value["no_action"]


def test_a_replay_is_the_same_each_time_and_refuses_nothing(world, stream, make_service):
    first, again = (replay(world, stream, make_service, random) for _ in range(2))
    assert [p.decision_id for p in first.played] == [p.decision_id for p in again.played]
    assert [p.value for p in first.played] == [p.value for p in again.played]
    assert first.refused == []


def test_common_luck_makes_organic_purchases_the_same(world, stream, make_service):
    """Where two policies both say nothing to the same arrival, the same comes of it."""
    nothing = {p.arrival: p for p in replay(world, stream, make_service, no_action).played}
    quiet = [
        p
        for p in replay(world, stream, make_service, constant("garden_opening")).played
        if p.action == "no_action"
    ]
    assert len(quiet) > 100
    assert all(nothing[p.arrival].value == p.value for p in quiet)


def test_a_constant_policy_is_held_by_guardrails(world, stream, make_service):
    played = replay(world, stream, make_service, constant("card_apply")).played
    chosen = [p for p in played if p.action == "card_apply"]
    assert {p.action for p in played} == {"card_apply", "no_action"}
    assert 0 < len(chosen) < 0.6 * len(played)
    assert len({p.customer for p in chosen}) == len(chosen)  # at most once in 30 days
