"""Sampling recorded decisions: the same ones each time, with their records and rewards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shop import NOW_MS, Shop, write_project

from nba.control.simulation import simulate
from nba.control.simulation_source import Sample, as_learned, sample_decisions
from nba.errors import InputError
from nba.ledger.log import LogTable

LIVE = "live"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Open a shop in which twelve decisions were made, four of them accepted, and all resolved."""
    shop = Shop(write_project(tmp_path / "project"))

    async def trade() -> None:
        for n in range(12):
            shop.clock.advance(seconds=1)
            answer = await shop.decide(f"c{n}")
            if n % 3 == 0 and answer["choices"][0]["action"] != "no_action":
                await shop.report(answer["decision_id"], outcome_id=f"o{n}", value=7.0)
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        await worker.step()
        shop.clock.advance(seconds=8 * 86_400)
        await worker.expire()
        await worker.step()
        await worker.flush()
        await worker.teacher.publish_snapshot()

    asyncio.run(trade())
    return shop


def sample(shop: Shop, **changes: Any) -> Sample:
    return asyncio.run(
        sample_decisions(shop.log, shop.ledger, shop.repository, source=LIVE, **changes)
    )


def test_a_sample_has_the_records_oldest_first(shop: Shop) -> None:
    found = sample(shop)
    assert [record.customer_id for record in found.records] == [f"c{n}" for n in range(12)]
    assert (found.available, found.lost) == (12, 0)
    assert set(found.recorded_under) == {shop.plan.digest}


def test_the_same_decisions_are_sampled_each_time_and_fewer_are_part_of_more(shop: Shop) -> None:
    five, again, seven = (sample(shop, size=size) for size in (5, 5, 7))
    ids = [{record.decision_id for record in one.records} for one in (five, again, seven)]
    assert ids[0] == ids[1] < ids[2]
    assert [len(one) for one in ids] == [5, 5, 7]
    assert five.available == 12


def test_a_span_of_time_bounds_the_sample(shop: Shop) -> None:
    found = sample(shop, since_ms=NOW_MS + 3_000, until_ms=NOW_MS + 6_000)
    assert [record.customer_id for record in found.records] == ["c2", "c3", "c4"]


def test_rewards_are_less_their_cost(shop: Shop) -> None:
    resolutions = shop.log.scan(LogTable.RESOLUTIONS).collect()
    costs = shop.log.scan(LogTable.DECISIONS).select("decision_id", "cost").collect()
    cost_of = dict(costs.iter_rows())
    expected = {
        (row["decision_id"], row["choice"]): row["reward"] - cost_of[row["decision_id"]]
        for row in resolutions.to_dicts()
    }
    assert len(expected) == 12
    assert sample(shop).rewards == pytest.approx(expected)


def test_a_correction_adds_to_its_reward_and_what_was_censored_has_none(shop: Shop) -> None:
    first, second = sample(shop).records[:2]
    before = sample(shop).rewards
    rows = shop.log.scan(LogTable.RESOLUTIONS).collect()
    of_first = rows.filter(pl.col("decision_id") == first.decision_id)
    of_second = rows.filter(pl.col("decision_id") == second.decision_id)
    correction, censored = (
        found.with_columns(kind=pl.lit(kind), reward=pl.lit(reward))
        for found, kind, reward in ((of_first, "correction", 4.0), (of_second, "censored", 0.0))
    )
    shop.log.append(LogTable.RESOLUTIONS, pl.concat([correction, censored]))
    after = sample(shop).rewards
    assert after[first.decision_id, 0] == pytest.approx(before[first.decision_id, 0] + 4.0)
    assert (second.decision_id, 0) not in after


def test_a_decision_whose_record_is_held_no_more_is_counted_as_lost(shop: Shop) -> None:
    gone = sample(shop).records[0].decision_id
    del shop.ledger._records[gone]
    found = sample(shop)
    assert len(found.records) == 11
    assert (found.available, found.lost) == (12, 1)


def test_decisions_of_another_source_are_none(shop: Shop) -> None:
    found = asyncio.run(sample_decisions(shop.log, shop.ledger, shop.repository, source="imported"))
    assert (found.records, found.available) == ((), 0)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"size": 0}, "/size"),
        ({"size": 10_000_000}, "/size"),
        ({"since_ms": 5, "until_ms": 5}, "/until"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(
    shop: Shop, changes: dict[str, int], pointer: str
) -> None:
    with pytest.raises(InputError) as caught:
        sample(shop, **changes)
    assert [fault.place for fault in caught.value.faults] == [pointer]


def test_what_was_sampled_can_be_simulated(shop: Shop) -> None:
    found = sample(shop)
    report = simulate(
        shop.plan,
        shop.plan,
        found.records,
        rewards=found.rewards,
        recorded_under=found.recorded_under,
    )
    assert report.decisions == 12
    assert report.unchanged
    assert report.off_policy.decisions == 12


def test_plans_are_judged_with_what_the_bandit_has_learned(shop: Shop) -> None:
    learned = as_learned(shop.control, shop.plan)
    assert learned.updates > shop.plan.updates == 0
    assert learned.version == f"{shop.plan.digest}.{learned.snapshot}"
    report = simulate(shop.plan, learned, sample(shop).records)
    assert not report.unchanged


def test_where_nothing_was_learned_the_plan_believes_its_models(tmp_path: Path) -> None:
    fresh = Shop(write_project(tmp_path / "fresh"))
    assert as_learned(fresh.control, fresh.plan) is fresh.plan
