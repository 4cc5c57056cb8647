"""Regret against values worked out one by one."""

import asyncio

import polars as pl
import pytest

from nba.errors import EvaluationRefusedError
from nba.simulator.arbiters import Oracle
from nba.simulator.journey import Journey
from nba.simulator.pace import ManualPace
from nba.simulator.regret import measure_regret

KEPT = ["no_action", "women_new_season", "garden_opening"]


@pytest.fixture
def played(world, arrivals, port):
    journey = Journey(world, port, pace=ManualPace(port.clock))
    asyncio.run(journey.play(arrivals))
    return journey.memory


def log(memory, candidates=KEPT):
    ids = [item.decision_id for item in memory.played]
    return pl.DataFrame(
        {"decision_id": ids, "choice": [0] * len(ids), "candidates": [candidates] * len(ids)}
    )


def test_regret_of_a_hand_made_log(world, arrivals, played):
    found = measure_regret(world, arrivals, played, log(played))
    rows = [
        [
            world.truth.expected_value(
                item.customer,
                action,
                placement=world.placement(item.placement).id,
                content=None,
                at_ms=item.at_ms,
                context=arrivals.context(item.arrival),
                exposure=item.exposure,
            )
            for action in KEPT
        ]
        for item in played.played
    ]
    n = len(rows)
    means = [sum(column) / n for column in zip(*rows, strict=True)]
    assert found.decisions == n == 400
    assert found.as_decided == pytest.approx(means[1])
    assert found.no_action == pytest.approx(means[0])
    assert found.random == pytest.approx(sum(means) / 3)
    assert found.optimum == pytest.approx(sum(max(row) for row in rows) / n)
    assert found.regret == pytest.approx(found.optimum - means[1])
    assert found.constants["garden_opening"] == pytest.approx(means[2])
    assert found.constants["club_join"] == pytest.approx(means[0])
    assert found.best_constant == max(
        ("women_new_season", "garden_opening"), key=found.constants.__getitem__
    )
    assert found.as_decided == pytest.approx(sum(item.expected_value for item in played.played) / n)


def test_decisions_played_elsewhere_are_left_out(world, arrivals, played):
    half = log(played).head(100)
    assert measure_regret(world, arrivals, played, half).decisions == 100
    with pytest.raises(EvaluationRefusedError, match="no decision of this log"):
        measure_regret(world, arrivals, played, half.head(0))


def test_the_oracle_has_no_regret(world, arrivals, clock, make_service):
    from nba.simulator.baselines import oracle, run_baseline

    kept = {}

    def remembering(w, memory):
        inner = Oracle(w, memory)

        def arbiter(asked):
            kept[asked.customer_id, asked.at_ms] = list(asked.actions)
            return inner(asked)

        return arbiter

    memory = asyncio.run(run_baseline(world, arrivals, remembering, make_service=make_service))
    frame = pl.DataFrame(
        {
            "decision_id": [item.decision_id for item in memory.played],
            "choice": [0] * len(memory.played),
            "candidates": [
                kept[world.records[item.customer].customer_id, item.at_ms] for item in memory.played
            ],
        }
    )
    found = measure_regret(world, arrivals, memory, frame)
    assert found.regret == pytest.approx(0.0, abs=1e-12)
    assert found.optimum > found.random
    again = asyncio.run(run_baseline(world, arrivals, oracle, make_service=make_service))
    assert [p.action for p in again.played] == [p.action for p in memory.played]
