"""Contents from click to choice: what clicks for some customers is shown to them more often."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from shop import DAY_MS, Shop, ask, write_project
from stumps import fit_stump

from nba.bandits import CorrectionFitter
from nba.decision.explain import explain, replay
from nba.decision.learned import LearnedStates, pack_learned
from nba.decision.plans import parse_version
from nba.decision.recording import read_record
from nba.domain.ids import DecisionId
from nba.ledger.log import LogTable
from nba.ledger.records import DecisionRecord
from nba.measurement.timeline import logged_timeline
from nba.worker.pointing import state_key
from nba.worker.records import Records
from nba.worker.relearning import rebuild
from nba.worker.runner import Worker

ROUNDS = 160
EAGER = {"models/bandit": ("gamma: 20", "gamma: 300\n  reward_scale: 8")}


def open_shop(root: Path) -> Shop:
    return Shop(write_project(root, **EAGER), partitions=1)


def started(shop: Shop, fitter: CorrectionFitter | None = None) -> Worker:
    return shop.worker(fitter=fitter)


async def play(
    shop: Shop, worker: Worker, first: int, rounds: int, placement: str = "web.hero"
) -> list[DecisionRecord]:
    """Offer shirts; whoever is above forty clicks the second variant, the others the first."""
    records = []
    for number in range(first, first + rounds):
        age = 20.0 + (number * 7) % 41
        customer = f"c{number}"
        await shop.put(customer, age=age)
        answer = msgspec.json.decode(
            await shop.service().decide(ask(customer, placement, actions=("shirt",)))
        )
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        assert packed is not None
        records.append(read_record(packed))
        (choice,) = answer["choices"]
        if choice["action"] == "shirt":
            fits = (choice["content"] == "shirt.en.b") == (age > 40.0)
            kind = "click" if fits else "reject"
            await shop.report(answer["decision_id"], kind, outcome_id=f"o{number}")
        shop.clock.advance(seconds=60)
        while await worker.step():
            pass
        if number % 8 == 7:
            await worker.teacher.publish_snapshot()
            await shop.live()
    await worker.flush()
    await worker.teacher.publish_snapshot()
    await shop.live()
    return records


def choices_of(records: list[DecisionRecord]) -> list[tuple[float, Any]]:
    """Return age and choice of every decision that offered a shirt."""
    found = []
    for record in records:
        (choice,) = msgspec.json.decode(record.answer)["choices"]
        if choice["action"] == "shirt":
            found.append((20.0 + (int(record.customer_id[1:]) * 7) % 41, choice))
    return found


def chance_of_what_fits(records: list[DecisionRecord]) -> float:
    """Return how likely the variant that fits was on average, by the recorded chances."""
    chances = []
    for age, choice in choices_of(records):
        fits = (choice["content"] == "shirt.en.b") == (age > 40.0)
        chance = choice["content_probability"]
        chances.append(chance if fits else 1.0 - chance)
    return sum(chances) / len(chances)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return open_shop(tmp_path)


def test_what_clicks_for_some_customers_is_shown_to_them_more_often(shop: Shop) -> None:
    """By exact recorded chances, which the log has too and replay gives again to the byte."""

    async def run() -> list[DecisionRecord]:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        return await play(shop, worker, 0, ROUNDS)

    records = asyncio.run(run())
    first, last = records[:8], records[-60:]
    assert chance_of_what_fits(first) == 0.5
    assert chance_of_what_fits(last) > 0.8
    for age, choice in choices_of(last):
        assert 0.05 - 1e-12 <= choice["content_probability"] <= 0.95 + 1e-12, age
    for record in records:
        plan = shop.repository.get(parse_version(record.plan_version))
        assert replay(plan, record) == record.answer
    explained = explain(shop.repository.get(parse_version(last[-1].plan_version)), last[-1])
    chances = [
        one["probability"]
        for candidate in explained["placements"][0]["candidates"]
        for one in candidate["contents"]
        if candidate["action"] == "shirt"
    ]
    assert sum(chances) == pytest.approx(1.0)
    logged = shop.log.scan(LogTable.DECISIONS).sort("decision_id").collect()
    answered = {
        record.decision_id: msgspec.json.decode(record.answer)["choices"][0]["content_probability"]
        for record in records
    }
    assert dict(logged.select("decision_id", "content_probability").iter_rows()) == answered
    (decision,) = (e for e in logged_timeline(shop.log, "c7") if e["type"] == "decision")
    assert decision["choices"][0]["content_probability"] == answered[decision["id"]]


def test_by_rules_nothing_is_learned_of_contents_and_they_take_turns(shop: Shop) -> None:
    async def run() -> list[DecisionRecord]:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        return await play(shop, worker, 0, 40, "web.rules")

    records = asyncio.run(run())
    assert {choice["content_probability"] for _, choice in choices_of(records)} == {0.5}
    assert shop.plan.placements["web.hero"].content_arbitration is not None
    assert shop.plan.placements["web.hero"].content_arbitration.counts.tolist() == [0.0, 0.0]


def latest(shop: Shop) -> bytes:
    kept = shop.control.latest_snapshot(state_key(shop.plan.source))
    assert kept is not None
    learned, _ = LearnedStates(shop.control).open(kept, shop.plan.source.bandit)
    return pack_learned(learned, 0)


def test_a_restarted_worker_goes_on_as_one_that_never_stopped(tmp_path: Path) -> None:
    """With forests too, which are part of the action's own logit that contents correct."""

    async def run(root: Path, *, restart: bool) -> bytes:
        shop = open_shop(root)
        worker = started(shop, fit_stump)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, 90)
        if restart:
            worker = started(shop, fit_stump)
            await worker.teacher.follow(shop.plan)
        await play(shop, worker, 90, 40)
        assert worker.teacher.learning is not None
        assert worker.teacher.learning.refits > 0
        return latest(shop)

    never = asyncio.run(run(tmp_path / "never", restart=False))
    assert asyncio.run(run(tmp_path / "once", restart=True)) == never


def test_a_rebuild_from_the_log_learns_of_contents_what_was_learned_live(shop: Shop) -> None:
    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, 60)

    asyncio.run(run())
    live = latest(shop)
    shop.clock.advance(seconds=DAY_MS / 1_000)
    records = Records(shop.ledger, shop.repository)
    asyncio.run(
        rebuild(
            shop.control,
            shop.log,
            shop.plan,
            records=records,
            partitions=1,
            clock=shop.clock,
            fitter=None,
        )
    )
    assert latest(shop) == live
