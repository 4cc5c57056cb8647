"""Replay gives the same bytes, explain agrees with what was decided, and neither leaves a trace."""

from __future__ import annotations

import asyncio
import copy
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from shop import Shop, ask, stump

from nba.decision.explain import explain, replay
from nba.decision.plans import PlanRepository, parse_version
from nba.decision.recording import read_record
from nba.domain.ids import NO_ACTION, DecisionId
from nba.ledger.positions import START


async def decided_records(shop: Shop, count: int):
    """Decide for many customers in many situations, some of them changed by learning on the way."""
    rng = np.random.default_rng(3)
    service = shop.service()
    worker = shop.worker()
    await worker.teacher.follow(shop.plan)
    records = []
    for number in range(count):
        customer = f"c{rng.integers(60)}"
        if rng.random() < 0.3:
            await shop.put(
                customer,
                age=float(rng.integers(10, 80)),
                consents={"email": str(rng.choice(["granted", "denied"]))},
            )
        if rng.random() < 0.2:
            await shop.order(customer, f"m{number}")
        request = ask(
            customer,
            *([("web.hero", int(rng.integers(1, 4)))] if rng.random() < 0.7 else ["email.body"]),
            *(["desk.screen"] if rng.random() < 0.3 else []),
            context={"device": "mobile", "basket": float(rng.integers(100))}
            if rng.random() < 0.5
            else {},
            locale=str(rng.choice(["en", "de", "fr"])) if rng.random() < 0.5 else None,
            terms=("product:fashion",) if rng.random() < 0.2 else (),
        )
        answer = msgspec.json.decode(await service.decide(request))
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        records.append(read_record(packed))
        if rng.random() < 0.5:
            await shop.report(answer["decision_id"], "convert", outcome_id=f"o{number}")
        shop.clock.advance(seconds=float(rng.integers(1, 7_200)))
        if number % 40 == 39:
            while await worker.step() or await worker.expire():
                pass
            await worker.teacher.publish_snapshot()
            await shop.live()
    return records


def test_replay_gives_the_same_bytes_also_after_other_plans_went_live(shop):
    async def main():
        records = await decided_records(shop, 120)
        shop.promote(stump(-4.0, -1.0))
        records += await decided_records(shop, 80)
        shop.promote(stump(-1.0, -4.0))
        return records

    records = asyncio.run(main())
    versions = {record.plan_version for record in records}
    assert len(versions) > 3, "several snapshots of two plans"
    for record in records:
        plan = shop.repository.get(parse_version(record.plan_version))
        assert replay(plan, record) == record.answer


@pytest.mark.parametrize("explorer", ["ucb", "regcb", "thompson"])
def test_replay_and_explain_hold_where_exploration_looks_at_how_sure_scores_are(
    make_shop, explorer
):
    shop = make_shop(**{"models/bandit": ("explorer: squarecb", f"explorer: {explorer}")})
    records = asyncio.run(decided_records(shop, 60))
    assert len({record.plan_version for record in records}) > 1, "several snapshots"
    for record in records:
        plan = shop.repository.get(parse_version(record.plan_version))
        explained = explain(plan, record)
        assert explained["replayed"]
        for placement in explained["placements"]:
            deviations = [candidate["deviation"] for candidate in placement["candidates"]]
            if placement["autonomy"] == "rules":
                assert set(deviations) == {None}
            else:
                assert max(deviations) > 0.0


def test_an_explanation_has_no_deviations_where_exploration_looks_at_none(shop):
    (record,) = asyncio.run(decided_records(shop, 1))
    explained = explain(shop.repository.get(parse_version(record.plan_version)), record)
    for placement in explained["placements"]:
        assert {candidate["deviation"] for candidate in placement["candidates"]} == {None}


def test_replay_from_another_process_gives_the_same_bytes(shop):
    """Compiled from the artifact anew, with nothing of the process that decided."""

    async def main():
        return await decided_records(shop, 60)

    for record in asyncio.run(main()):
        plan = PlanRepository(shop.control).get(parse_version(record.plan_version))
        assert replay(plan, record) == record.answer


def test_replay_shows_an_answer_that_was_tampered_with(shop):
    answer = asyncio.run(shop.decide())
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    record = read_record(packed)
    tampered = msgspec.structs.replace(record, answer=record.answer.replace(b"live", b"dead"))
    assert explain(shop.plan, record)["replayed"] is True
    assert explain(shop.plan, tampered)["replayed"] is False


def test_explain_says_for_every_candidate_what_dropped_it_or_how_it_scored(shop):
    async def main():
        await shop.put(age=17)
        for _ in range(2):
            await shop.service().decide(ask("anna", "web.rules", actions=("coat", "shirt")))
        answer = await shop.decide(context={"device": "mobile"})
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        return answer, read_record(packed)

    answer, record = asyncio.run(main())
    explained = explain(shop.plan, record)
    assert explained["answer"] == answer
    assert explained["replayed"] is True
    assert explained["situation"]["features"] == {
        "age": 17.0,
        "tier": None,
        "orders_30d": 0.0,
        "device": "mobile",
        "basket": None,
    }
    assert explained["situation"]["contacts"] == 2
    (placement,) = explained["placements"]
    by_action = {one["action"]: one for one in placement["candidates"]}
    assert set(by_action) == {NO_ACTION, "card", "coat", "shirt", "parcel"}
    codes = {
        action: [reason["code"] for reason in one["dropped_by"]]
        for action, one in by_action.items()
    }
    assert codes == {
        NO_ACTION: [],
        "card": ["eligibility.not_met", "contact_cap.reached"],
        "coat": ["contact_cap.reached"],
        "shirt": ["contact_cap.reached"],
        "parcel": [],
    }
    card = by_action["card"]
    assert card["dropped_by"][0]["policy"] == "adults"
    assert "customer.age >= 18" in card["dropped_by"][0]["sentence"]
    assert (card["value"], card["cost"], card["lever"], card["context_weight"]) == (50, 0.5, 2, 1)
    assert math.isclose(card["propensity"], 0.02)
    assert math.isclose(card["score"], 0.02 * 50 * 2 - 0.5)
    assert card["probability"] == 0.0
    assert math.isclose(sum(one["probability"] for one in by_action.values()), 1.0, abs_tol=1e-6)


def test_explain_agrees_with_the_verdicts_of_every_decision(shop):
    records = asyncio.run(decided_records(shop, 60))
    for record in records:
        plan = shop.repository.get(parse_version(record.plan_version))
        explained = explain(plan, record)
        assert explained["replayed"] is True
        for placement, (request, first) in zip(
            explained["placements"], first_draws(record), strict=True
        ):
            assert placement["placement"] == request
            slot = plan.placements[request]
            kept = {slot.action_ids[row] for row in np.frombuffer(first.kept, dtype="<u2")}
            asked = {one["action"] for one in placement["candidates"] if not one["dropped_by"]}
            assert asked == kept, "also with what the placements before have said"


def first_draws(record):
    return [(draw.placement, draw) for draw in record.draws if draw.rank == 1]


def test_what_the_request_did_not_ask_for_is_said_to_be_so(shop):
    async def main():
        answer = await shop.decide(actions=("coat",))
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        return read_record(packed)

    (placement,) = explain(shop.plan, asyncio.run(main()))["placements"]
    codes = {
        one["action"]: [reason["code"] for reason in one["dropped_by"]]
        for one in placement["candidates"]
    }
    assert codes["coat"] == []
    assert codes["shirt"] == ["request.not_asked_for"]
    assert codes[NO_ACTION] == []


def test_actions_without_content_in_a_placement_are_listed(make_shop):
    shirts = "action: shirt, group: shirt, locale: en, placements: "
    shop: Shop = make_shop(catalog=(f"{shirts}*all", f"{shirts}[email.body]"))
    answer = asyncio.run(shop.decide())
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    (placement,) = explain(shop.plan, read_record(packed))["placements"]
    assert placement["no_content_here"] == ["shirt"]


def kept(shop):
    """Return what the ledger keeps, as plain data."""
    parts = vars(shop.ledger).items()
    return {name: part for name, part in parts if isinstance(part, dict | bytes | int)}


def test_explaining_and_replaying_change_nothing(shop):
    async def main():
        answer = await shop.decide()
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        before = copy.deepcopy(kept(shop))
        bits = shop._bits
        record = read_record(packed)
        explain(shop.plan, record)
        replay(shop.plan, record)
        assert kept(shop) == before
        assert shop._bits == bits, "no dice are rolled again"
        positions = dict.fromkeys(range(shop.ledger.partitions), START)
        return len(await shop.ledger.entries(positions, 10))

    assert asyncio.run(main()) == 1


def test_a_model_that_broke_is_explained_by_its_priors(shop):
    shop.promote(stump(0.0, 0.0))

    class Broken:
        def logits(self, *_):
            """Answer nonsense."""
            return np.full(5, math.nan)

    slot = shop.plan.placements["web.hero"]
    broken = replace(slot, models=(replace(slot.models[0], bound=Broken()),))
    shop.plan = replace(shop.plan, placements={**shop.plan.placements, "web.hero": broken})
    answer = asyncio.run(shop.decide())
    assert answer["fallback"] is True
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    explained = explain(shop.plan, read_record(packed))
    msgspec.json.encode(explained)
    coat = next(c for c in explained["placements"][0]["candidates"] if c["action"] == "coat")
    assert math.isclose(coat["propensity"], 0.05)
    assert explained["replayed"] is True


@pytest.mark.parametrize("rank", [1, 2])
def test_the_probability_explained_is_that_of_the_first_rank(shop, rank):
    async def main():
        answer = msgspec.json.decode(await shop.service().decide(ask("bo", ("web.hero", rank))))
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        return answer, read_record(packed)

    answer, record = asyncio.run(main())
    (placement,) = explain(shop.plan, record)["placements"]
    stated = {one["action"]: one["probability"] for one in placement["candidates"]}
    first = answer["choices"][0]
    assert math.isclose(stated[first["action"]], first["probability"], rel_tol=1e-6)
