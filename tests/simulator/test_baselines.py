"""Replays under the real guardrails: same arrivals, same luck, honest order of merit."""

import asyncio
from functools import cache

import pytest

from nba.simulator.baselines import constant, no_action, oracle, random, run_baseline
from nba.simulator.report import summarise


@pytest.fixture(scope="module")
def stream(world):
    return world.arrivals(stream=6, count=1_200, start_ms=world.start_ms, days=6.0)


@pytest.fixture(scope="module")
def replay(world, stream, make_service):
    """Replay under a chooser; one replay of each is shared."""

    @cache
    def play(chooser):
        return asyncio.run(run_baseline(world, stream, chooser, make_service=make_service))

    return play


GARDEN = constant("garden_opening")


def test_perfect_knowledge_beats_chance_and_constants(replay):
    choosers = {"oracle": oracle, "random": random, "nothing": no_action, "constant": GARDEN}
    value = {n: summarise(n, replay(chooser)).expected_value for n, chooser in choosers.items()}
    assert value["oracle"] > 1.5 * value["constant"]
    assert value["oracle"] > 2.0 * value["random"]
    assert value["random"] > value["nothing"]


def test_a_replay_is_the_same_each_time_and_refuses_nothing(world, stream, make_service, replay):
    first = replay(random)
    again = asyncio.run(run_baseline(world, stream, random, make_service=make_service))
    assert [p.decision_id for p in first.played] == [p.decision_id for p in again.played]
    assert [p.value for p in first.played] == [p.value for p in again.played]
    assert first.refused == []


def test_common_luck_makes_organic_purchases_the_same(replay):
    """Where two policies both say nothing to the same arrival, the same comes of it."""
    nothing = {p.arrival: p for p in replay(no_action).played}
    quiet = [p for p in replay(GARDEN).played if p.action == "no_action"]
    assert len(quiet) > 100
    assert all(nothing[p.arrival].value == p.value for p in quiet)


def test_a_constant_policy_is_held_by_guardrails(replay):
    played = replay(constant("card_apply")).played
    chosen = [p for p in played if p.action == "card_apply"]
    assert {p.action for p in played} == {"card_apply", "no_action"}
    assert 0 < len(chosen) < 0.6 * len(played)
    assert len({p.customer for p in chosen}) == len(chosen)  # at most once in 30 days
