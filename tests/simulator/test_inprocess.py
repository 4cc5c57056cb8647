"""The whole service in this process: real guardrails, recounted from its own records."""

import asyncio
from pathlib import Path

import polars as pl
import pytest

from nba.decision.recording import read_record
from nba.domain.clock import ManualClock
from nba.domain.customer import Event
from nba.domain.ids import CustomerId
from nba.errors import InputError
from nba.measurement.evidence import Evidence
from nba.measurement.violations import count_violations, read_feature_types, read_policies
from nba.simulator.baselines import random, run_baseline
from nba.simulator.inprocess import InProcessService
from nba.worker.rows import decision_rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def played(plan, world):
    """Press a small population hard: many arrivals each, so that caps are reached."""
    arrivals = world.arrivals(stream=7, count=2_500, start_ms=world.start_ms, days=4.0)
    services = []

    def make(arbiter, clock):
        services.append(InProcessService(plan, clock=clock, seed=5, arbiter=arbiter))
        return services[0]

    memory = asyncio.run(run_baseline(world, arrivals, random, make_service=make))
    ids = [item.decision_id for item in memory.played]
    stored = asyncio.run(services[0].ledger.records(ids))
    rows = [row for r in stored for row in decision_rows(read_record(r), plan, source="history")]
    return memory, pl.DataFrame(rows, infer_schema_length=None)


def recount(frame, catalog, evidence):
    return count_violations(
        frame,
        policies=read_policies(ROOT / "policies"),
        catalog=catalog,
        evidence=evidence,
        feature_types=read_feature_types(ROOT / "features"),
    )


def test_no_guardrail_gave_way(world, played):
    memory, frame = played
    assert frame.height == 2_500
    assert recount(frame, world.catalog, memory.evidence()) == []


def test_the_recount_would_have_noticed(world, played):
    """The same log without a word of consent or a time zone is full of violations."""
    _, frame = played
    kinds = {v.kind for v in recount(frame, world.catalog, Evidence.of([], []))}
    assert kinds == {"consent", "quiet_hours"}
    doubled = pl.concat([frame, frame])
    caps = {v.policy for v in recount(doubled, world.catalog, played[0].evidence())}
    assert {"two_emails_a_week", "credit_once_a_month", "one_push_a_day"} <= caps
    minors = frame.with_columns(f_age=pl.lit(15.0), f_employee=pl.lit(1.0))
    found = {v.policy for v in recount(minors, world.catalog, played[0].evidence())}
    assert {"credit_adults_of_good_standing", "no_vouchers_or_credit_for_employees"} <= found


def test_a_refused_event_is_an_error(plan):
    service = InProcessService(plan, clock=ManualClock(), seed=1)
    event = Event(
        customer_id=CustomerId("c"),
        name="App Opened",
        message_id="",
        at_ms=1,
        received_at_ms=1,
        properties={"platform": "ios"},
    )
    with pytest.raises(InputError):
        asyncio.run(service.record_events([event]))
