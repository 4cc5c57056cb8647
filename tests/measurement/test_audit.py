"""The audit: what decisions used, recomputed from events, with every difference said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from shop import DAY_MS, Shop, ask, write_project

from nba.decision.plans import PlanPointer, parse_version
from nba.domain.decision import Mode, TakenAction
from nba.domain.ids import ActionId, PlacementId
from nba.features import FeatureSet
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.measurement.audit import AuditReport, FeatureAudit, Unable, audit_features

_MORE = """
  - {name: contacts_1d, kind: interaction, of: decision, window: 1d, description: Contacts.}
  - {name: clicks, kind: interaction, of: click, description: Clicks.}
  - {name: age_twice, kind: derived, expression: 2.0 * customer.age, description: Twice.}
segments:
  - {name: grown, condition: customer.age >= 18.0, description: Adults.}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    root = write_project(tmp_path)
    path = root / "features/features.yaml"
    path.write_text(path.read_text() + _MORE)
    return Shop(root)


async def logged(shop: Shop) -> None:
    worker = shop.worker()
    while await worker.step():
        pass
    await worker.flush()


def played(shop: Shop, story: Callable[[], Awaitable[None]]) -> None:
    async def play() -> None:
        await story()
        await logged(shop)

    asyncio.run(play())


def features_of(shop: Shop) -> Callable[[str], FeatureSet | None]:
    return lambda version: shop.repository.get(PlanPointer(parse_version(version).digest)).features


def audited(shop: Shop, log: DecisionLog | None = None, **more: object) -> AuditReport:
    log = shop.log if log is None else log
    return audit_features(log, features_of(shop), **{"sample": 100, **more})


def named(report: AuditReport, name: str) -> FeatureAudit:
    (found,) = [item for item in report.features if item.feature == name]
    return found


async def a_week(shop: Shop) -> None:
    """Two customers over a week: told, ordering, asked, clicking; one knows nothing of anybody."""
    for day in range(7):
        if day % 3 == 0:
            await shop.put("anna", age=40.0 + day, tier="gold" if day else None)
        await shop.order("anna", f"a{day}")
        if day % 2:
            await shop.order("bert", f"b{day}")
        shop.clock.advance(seconds=60)
        for customer in ("anna", "bert", "cleo"):
            answer = await shop.decide(customer, context={"device": "mobile", "basket": 0.1 * day})
            shop.clock.advance(seconds=10)
            await shop.report(answer["decision_id"], outcome_id=f"{customer}{day}")
        shop.clock.advance(seconds=DAY_MS / 1_000)


def test_what_was_served_is_what_is_recomputed(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    report = audited(shop)
    assert (report.sampled, report.compared, report.raced) == (21, 21, 0)
    assert report.differences == 0
    assert not report.unable
    for name in ("age", "orders_30d", "contacts_1d", "clicks", "age_twice", "segment_grown"):
        assert named(report, name).compared == 21
    recorded = shop.log.scan(LogTable.DECISIONS).filter(pl.col("customer_id") == "anna").collect()
    assert recorded["f_orders_30d"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    offers = [action != "no_action" for action in recorded["action"]]
    assert recorded["f_clicks"].to_list() == [sum(offers[:day]) for day in range(7)]


def changed(
    shop: Shop, table: LogTable, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> MemoryLog:
    """Return the shop's log with one table changed."""
    log = MemoryLog()
    for name in (LogTable.DECISIONS, LogTable.EVENTS, LogTable.UPDATES):
        rows = shop.log.scan(name).collect()
        log.append(name, change(rows) if name is table else rows)
    return log


def test_a_value_that_was_not_served_is_a_difference_by_feature(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    last = pl.col("at") == pl.col("at").max().over("customer_id")
    is_anna = pl.col("customer_id") == "anna"
    log = changed(
        shop,
        LogTable.DECISIONS,
        lambda rows: rows.with_columns(
            pl.when(is_anna & last).then(9.0).otherwise("f_orders_30d").alias("f_orders_30d")
        ),
    )
    report = audited(shop, log)
    assert report.differences == 1
    found = named(report, "orders_30d")
    assert (found.compared, found.different, found.largest) == (21, 1, 2.0)
    assert (found.recorded, found.recomputed) == (9.0, 7.0)
    assert found.example is not None
    assert report.to_builtins()["differences"] == 1


def test_a_missing_value_and_a_wrong_word_are_differences(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    is_anna = pl.col("customer_id") == "anna"
    log = changed(
        shop,
        LogTable.DECISIONS,
        lambda rows: rows.with_columns(
            f_age=pl.when(is_anna).then(None).otherwise("f_age"),
            f_tier=pl.when(is_anna).then(pl.lit("none")).otherwise("f_tier"),
        ),
    )
    report = audited(shop, log)
    assert named(report, "age").different == 7
    assert named(report, "age").largest is None
    assert named(report, "tier").different == 7
    assert named(report, "tier").recorded == "none"


def test_an_event_the_log_lacks_is_told_by_the_versions_not_counted_as_a_difference(
    shop: Shop,
) -> None:
    played(shop, lambda: a_week(shop))
    log = changed(shop, LogTable.EVENTS, lambda rows: rows.filter(pl.col("message_id") != "a0"))
    report = audited(shop, log)
    assert report.differences == 0
    assert report.unable == {Unable.INCOMPLETE: 7}
    assert report.compared == 14


def test_a_profile_begun_before_the_log_is_not_recomputed(shop: Shop) -> None:
    async def before() -> None:
        await shop.put("anna", age=30.0)
        await shop.decide("anna")

    played(shop, before)
    log = changed(shop, LogTable.UPDATES, lambda rows: rows.clear())
    report = audited(shop, log)
    assert (report.compared, report.differences) == (0, 0)
    assert report.unable == {Unable.INCOMPLETE: 1}


def test_entries_without_versions_are_not_trusted_to_be_all(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    log = changed(
        shop, LogTable.EVENTS, lambda rows: rows.with_columns(version=pl.lit(None, pl.Int64))
    )
    report = audited(shop, log)
    assert report.differences == 0
    assert report.unable[Unable.UNVERSIONED] > 0


def test_what_came_with_the_request_is_left_out_and_what_follows_from_it(shop: Shop) -> None:
    async def given() -> None:
        await shop.put("anna", age=30.0)
        await shop.decide("anna", attributes={"age": 17.0})

    played(shop, given)
    report = audited(shop)
    assert report.differences == 0
    assert report.unable == {Unable.GIVEN: 3}  # age, age_twice, segment_grown
    assert named(report, "orders_30d").compared == 1
    assert named(report, "age").compared == 0


@pytest.mark.parametrize("seen", [False, True])
def test_an_event_that_arrived_meanwhile_may_or_may_not_have_been_seen(
    shop: Shop, *, seen: bool
) -> None:
    async def race() -> None:
        await shop.order("anna", "m1")
        shop.clock.advance(seconds=3_600)
        if seen:  # arrived a second after the decision's time, and was seen all the same
            shop.clock.advance(seconds=1)
            await shop.order("anna", "m2")
            shop.clock.advance(seconds=-1)
        await shop.decide("anna")
        if not seen:  # arrived a second before, and was not seen yet
            shop.clock.advance(seconds=-1)
            await shop.order("anna", "m2")

    played(shop, race)
    report = audited(shop)
    assert (report.raced, report.differences) == (1, 0)
    assert audited(shop, race_ms=500).differences == 1


def test_a_plan_that_is_gone_leaves_its_decisions_out(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    report = audit_features(shop.log, lambda _: None, sample=100)
    assert report.unable == {Unable.PLAN_GONE: 21}
    assert report.compared == 0


def test_a_sample_is_drawn_by_its_seed_from_what_is_asked_for(shop: Shop) -> None:
    played(shop, lambda: a_week(shop))
    assert audited(shop, sample=5).sampled == 5
    recorded = shop.log.scan(LogTable.DECISIONS).select(pl.col("at").max()).collect().item()
    assert audited(shop, since=recorded - timedelta(hours=1)).sampled == 3
    assert audited(shop, source="history").sampled == 0


def test_choices_of_one_decision_are_one(shop: Shop) -> None:
    async def several() -> None:
        await shop.put("anna", age=30.0)
        await shop.service().decide(ask("anna", ("web.rules", 2), "desk.screen"))

    played(shop, several)
    assert shop.log.scan(LogTable.DECISIONS).collect().height > 1
    assert audited(shop).sampled == 1


def test_what_another_system_took_counts_among_the_contacts_that_are_recomputed(shop: Shop) -> None:
    async def story() -> None:
        taken = TakenAction(placement=PlacementId("web.hero"), action=ActionId("coat"))
        await shop.decide(mode=Mode.SHADOW, taken=(taken,))
        shop.clock.advance(seconds=60)
        await shop.decide()

    played(shop, story)
    report = audited(shop)
    assert (report.sampled, report.compared, report.differences) == (1, 1, 0)
    live = shop.log.scan(LogTable.DECISIONS).filter(pl.col("source") == "live").collect()
    assert live["f_contacts_1d"].to_list() == [1.0]
