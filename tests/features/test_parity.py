"""The feature store answers what a slow and obvious one answers, whatever happens."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.parity import run
from benchmarks.parity_log import offline
from benchmarks.parity_shop import Shop, compared, compile_declared, expected_base
from nba.domain.clock import ManualClock
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.features import ItemStatus, MemoryProfileStore, ProfileService
from nba.features.checks import event_problems, feature_problems, segment_problems
from tests.features.strategies import (
    CUSTOMERS,
    Ask,
    Case,
    Change,
    Declared,
    Send,
    cases,
    changed_cases,
)

NOW_MS = 1_800_000_000_000


@settings(deadline=None, max_examples=80)
@given(cases())
def test_every_read_equals_the_slow_store(case: Case):
    assert Shop(case.declared).play(case).found == []


@settings(deadline=None, max_examples=40)
@given(cases())
def test_the_log_answers_every_read_as_the_slow_store_did(case: Case):
    assert offline(case).found == []


@settings(deadline=None, max_examples=40)
@given(cases())
def test_the_service_takes_each_message_once(case: Case):
    shop, clock, profiles = Shop(case.declared), ManualClock(), {}
    store = MemoryProfileStore(profiles, lambda *_: None, clock)
    service = ProfileService(store, lambda: shop.features, clock)
    for step in case.steps:
        match step:
            case Send():
                clock.now_ms = step.events[0].received_at_ms
                mine = [event for event in step.events if not event.name.startswith("nba.")]
                results = asyncio.run(service.ingest(mine))
                for event, result in zip(mine, results, strict=True):
                    assert result.status is status_in(shop, event)
                outcomes = [
                    event
                    for event in step.events
                    if event.name.startswith("nba.") and not shop.slow.refuses(event)
                ]
                asyncio.run(service.interact(outcomes))
                for event in outcomes:
                    shop.slow.send(event)
            case Change():
                clock.now_ms = step.at_ms
                update = ProfileUpdate(
                    customer_id=CustomerId(step.customer), attributes=step.attributes
                )
                asyncio.run(service.put(update))
                shop.slow.update(step.customer, step.attributes, step.at_ms)
            case Ask():
                found = shop.read(profiles.get(step.customer), step)
                assert list(compared(shop.slow, expected_base(shop.slow, step), found)) == []


def status_in(shop: Shop, event: Event) -> ItemStatus:
    """Return what becomes of an event in the slow store."""
    if shop.slow.refuses(event):
        return ItemStatus.REJECTED
    return ItemStatus.RECORDED if shop.slow.send(event) else ItemStatus.DUPLICATE


@settings(deadline=None, max_examples=20)
@given(cases(most_steps=1))
def test_the_random_definitions_are_right_as_the_checks_see_it(case: Case):
    features = compile_declared(case.declared)
    problems = chain(
        *(event_problems(event) for event in features.events.values()),
        *(feature_problems(one, features.events, {"product"}) for one in features.definitions),
        *(segment_problems(segment) for segment in features.segments),
    )
    assert list(problems) == []


@settings(deadline=None, max_examples=40)
@given(changed_cases())
def test_what_stays_declared_keeps_its_value_when_other_things_change(both: tuple[Case, Case]):
    before, after = both
    shop = Shop(before.declared)
    shop.play(before)
    shop.redeclare(after.declared)
    for customer in CUSTOMERS:
        shop.ask(Ask(customer, before.end_ms(), {}, {}, ()))
    assert shop.play(after).found == []


@settings(deadline=None, max_examples=40)
@given(cases(), st.integers(0, 1_000))
def test_two_customers_made_one_have_the_events_of_both(case: Case, later_ms: int):
    shop = Shop(case.declared)
    shop.play(case)
    own, other, third = CUSTOMERS
    at_ms = case.end_ms() + later_ms
    shop.merge(own, other, at_ms)
    for customer in (own, other, third):
        shop.ask(Ask(customer, at_ms, {}, {}, ()))
    assert shop.tally.found == []


AMOUNT = {
    "name": "x",
    "description": "",
    "kind": "aggregate",
    "event": "buy",
    "function": "sum",
    "property": "amount",
}


def test_a_mean_declared_after_its_sum_counts_what_it_sums():
    mean = {**AMOUNT, "name": "mean", "function": "mean"}
    shop = Shop(Declared((AMOUNT,), ()))
    shop.send([bought("m1", 100.0), bought("m2", 50.0)])
    shop.redeclare(Declared((AMOUNT, mean), ()))
    shop.send([bought("m3", 7.0)])
    for profiles in shop.profiles.values():
        found = shop.read(profiles["anna"], Ask("anna", NOW_MS, {}, {}, ()))
        assert found == {"x": 157.0, "mean": 7.0}


@pytest.mark.parametrize("function", ["first", "last"])
@pytest.mark.parametrize("window", [None, "1h"])
def test_of_events_of_two_customers_in_one_second_their_own_is_kept(
    function: str, window: str | None
):
    feature = {**AMOUNT, "function": function}
    shop = Shop(Declared(({**feature, "window": window} if window else feature,), ()))
    shop.send([bought("m1", 100.0), bought("m2", 50.0, customer=CUSTOMERS[1])])
    shop.merge("anna", CUSTOMERS[1], NOW_MS)
    shop.ask(Ask("anna", NOW_MS, {}, {}, ()))
    assert shop.tally.found == []
    for profiles in shop.profiles.values():
        assert shop.read(profiles["anna"], Ask("anna", NOW_MS, {}, {}, ())) == {"x": 100.0}


def bought(message_id: str, amount: float, customer: str = "anna") -> Event:
    return Event(
        customer_id=CustomerId(customer),
        name="buy",
        message_id=message_id,
        at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        properties={"amount": amount},
    )


def test_the_run_that_is_measured_finds_no_difference_either():
    total = run(40, seed=1)
    assert total.cases == 40
    assert total.values > 1_000
    assert total.found == []
