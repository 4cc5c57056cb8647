"""The whole service in this process: real guardrails, recounted from its own records."""

import asyncio
from pathlib import Path

import polars as pl
import pytest

from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.measurement.evidence import Evidence
from nba.measurement.lift import measure_lift
from nba.measurement.violations import count_violations, read_feature_types, read_policies
from nba.simulator.baselines import random, run_baseline
from nba.simulator.regret import measure_regret
from nba.simulator.service import InProcessService

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def played(artifact, plan, world):
    """Press a small population hard: many arrivals each, so that caps are reached."""
    arrivals = world.arrivals(stream=7, count=2_500, start_ms=world.start_ms, days=4.0)
    log = MemoryLog()
    services = []

    def make(arbiter, clock):
        service = InProcessService(
            artifact, clock=clock, seed=5, arbiter=arbiter, plan=plan, log=log
        )
        services.append(service)
        return service

    async def play():
        memory = await run_baseline(world, arrivals, random, make_service=make, drain_days=31.0)
        await services[0].finish()
        return memory

    memory = asyncio.run(play())
    return arrivals, memory, log


@pytest.fixture
def decisions(played):
    log = played[2]
    return log.sealer.open_columns(log.scan(LogTable.DECISIONS).collect())


@pytest.fixture
def evidence(played):
    return played[1].evidence()


@pytest.fixture
def recount(world, played):
    """Count violations in decisions, with what the log knows came of them."""
    log = played[2]

    def count(frame, evidence):
        return count_violations(
            frame,
            policies=read_policies(ROOT / "policies"),
            catalog=world.catalog,
            evidence=evidence,
            feature_types=read_feature_types(ROOT / "features"),
            outcomes=log.scan(LogTable.OUTCOMES).collect(),
            events=log.scan(LogTable.EVENTS).collect(),
        )

    return count


def test_no_guardrail_gave_way(decisions, evidence, recount):
    assert decisions.height == 2_500
    assert recount(decisions, evidence) == []


def test_the_recount_would_have_noticed(decisions, evidence, recount):
    """Without a word of consent, doubled, or grown younger, the same log is full of violations."""
    kinds = {v.kind for v in recount(decisions, Evidence.of([], []))}
    assert kinds == {"consent", "quiet_hours"}
    doubled = pl.concat([decisions, decisions])
    caps = {v.policy for v in recount(doubled, evidence)}
    assert {"two_emails_a_week", "credit_once_a_month", "one_push_a_day"} <= caps
    minors = decisions.with_columns(f_age=pl.lit(15.0), f_employee=pl.lit(1.0))
    found = {v.policy for v in recount(minors, evidence)}
    assert {"credit_adults_of_good_standing", "no_vouchers_or_credit_for_employees"} <= found


def test_the_ledger_resolves_to_what_the_world_brought(played):
    """Every choice resolves; what converted within or after its horizon is in its final label."""
    _, memory, log = played
    resolutions = log.scan(LogTable.RESOLUTIONS).collect()
    final = resolutions.group_by("decision_id").agg(pl.col("label").max(), pl.col("reward").sum())
    labels = {row[0]: row[1:] for row in final.iter_rows()}
    costs = {
        row[0]: row[1]
        for row in log.scan(LogTable.DECISIONS).collect().select("decision_id", "cost").iter_rows()
    }
    agreed = 0
    for item in memory.played:
        label, reward = labels[item.decision_id]
        if bool(label) == item.accepted:
            agreed += 1
            assert reward - costs[item.decision_id] == pytest.approx(item.value)
    assert agreed >= 0.998 * len(memory.played)  # conversions after the drain are not known yet


def test_regret_reads_the_logged_candidates(world, played, decisions):
    arrivals, memory, _ = played
    found = measure_regret(world, arrivals, memory, decisions)
    assert found.decisions == 2_500
    assert found.no_action < found.random < found.optimum
    assert found.as_decided == pytest.approx(found.random, rel=0.1)


def test_lift_finds_what_the_holdout_left_undone(played, decisions):
    resolutions = played[2].scan(LogTable.RESOLUTIONS).collect()
    report = measure_lift(decisions, resolutions, holdout_share=0.05)
    assert not report.sample_ratio.mismatch
    assert [row.name for row in report.rows[:3]] == ["treated", "held out", "no_action"]
    assert report.rows[0].accept_rate.value > report.rows[1].accept_rate.value
