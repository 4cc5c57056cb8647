"""Deciding beside another system: both are said, and what was taken is what counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import DAY_MS, NOW_MS, Shop, ask

from nba.decision.answer import said_choices
from nba.decision.budgeting import Spending
from nba.decision.explain import explain, replay
from nba.decision.pipeline import decide
from nba.decision.recording import is_shadow, read_record
from nba.decision.service import DecisionService
from nba.decision.shadow import NO_CONTENT_LEFT, NOT_ASKED_FOR, decide_as_asked
from nba.domain.decision import Mode, TakenAction
from nba.domain.history import CONTACT, contact_tag, unpack_history
from nba.domain.ids import NO_ACTION, CustomerId, DecisionId, hash32
from nba.errors import ConflictError, InputError
from nba.ledger.budgets_memory import MemoryBudgets
from nba.ledger.records import DecisionRecord

IN_SHADOW = {"catalog": ("slots: [title], max_count: 3}", "slots: [title], shadow: true}")}
CARDS = """  - id: cards
    kind: budget
    description: A few cards.
    applies_to: {actions: [card]}
    limit: 3
"""
NO_SHIRTS = """  - id: no_shirts
    kind: suitability
    description: No shirt's words for the old.
    applies_to: {groups: [shirt]}
    condition: customer.age < 40
"""
PUSH = "  - id: push_credit"


def took(action: str, placement: str = "web.hero", **more: Any) -> TakenAction:
    return TakenAction(placement=placement, action=action, **more)  # type: ignore[arg-type]


def beside(*taken: TakenAction, customer_id: str = "anna", **changes: Any) -> Any:
    """Return a request in shadow for the placements something was taken in."""
    placements = [one.placement for one in taken]
    return ask(customer_id, *placements, mode=Mode.SHADOW, taken=taken, **changes)


def compared(shop: Shop, request: Any) -> dict[str, Any]:
    return msgspec.json.decode(asyncio.run(shop.service().decide(request)))


def record_of(shop: Shop, decision_id: str) -> DecisionRecord:
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(decision_id)]))
    return read_record(packed or b"")


def contacts_of(shop: Shop, customer_id: str = "anna") -> list[list[int]]:
    state = asyncio.run(shop.ledger.read(CustomerId(customer_id), None))
    return unpack_history(state.history).table.tolist()


def test_the_answer_says_what_would_have_been_chosen_beside_what_was_taken(shop):
    asyncio.run(shop.put(age=30))
    answer = compared(shop, beside(took("shirt", probability=0.25, content="shirt.en.a")))
    (ours,), (taken,) = answer["choices"], answer["taken"]
    assert answer["mode"] == "shadow"
    assert ours["rank"] == 1
    assert ours["probability"] > 0.0
    assert ours["reasons"]
    assert (taken["placement"], taken["action"]) == ("web.hero", "shirt")
    assert (taken["content"], taken["probability"]) == ("shirt.en.a", 0.25)
    assert taken["shadow_action"] == ours["action"]
    assert taken["agrees"] == (ours["action"] == "shirt")
    assert taken["propensity"] == pytest.approx(0.1)
    assert taken["score"] == pytest.approx(0.8)  # 0.1 x 8, and it costs nothing
    assert 0.0 < taken["shadow_probability"] < 1.0
    assert taken["would_have_been_dropped"] == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 40),
    age=st.floats(10, 60),
    hero=st.sampled_from([NO_ACTION, "card", "coat", "shirt", "parcel"]),
    desk=st.sampled_from([NO_ACTION, "card", "coat", "shirt", "parcel"]),
    customer_id=st.text("abc", min_size=1, max_size=4),
)
def test_it_is_decided_as_it_would_be_live(shop, inputs, seed, age, hero, desk, customer_id):
    placements = ("web.hero", "desk.screen")
    situation = {"seed": seed, "age": age, "customer_id": customer_id}
    live = decide(shop.plan, inputs(shop.plan, *placements, **situation))
    taken = (took(desk, "desk.screen"), took(hero))
    asked = inputs(shop.plan, *placements, **situation, mode=Mode.SHADOW, taken=taken)
    decided = decide_as_asked(shop.plan, asked)
    assert decided.decision.choices == live.decision.choices
    for one, action, drawn in zip(decided.decision.taken, (hero, desk), live.draws, strict=True):
        kept = [drawn.slot.action_ids[row] for row in drawn.kept]
        chances = dict(zip(kept, drawn.probabilities.tolist(), strict=True))
        assert one.taken.action == action
        assert one.shadow_probability == chances.get(action, 0.0)
        assert bool(one.would_have_been_dropped) == (action not in chances)
        assert one.agrees == (drawn.slot.action_ids[drawn.row] == action)


def test_what_was_taken_is_the_contact_even_where_guardrails_would_have_dropped_it(shop):
    asyncio.run(shop.put(age=15))
    answer = compared(shop, beside(took("card", content="card.en")))
    (taken,) = answer["taken"]
    assert taken["would_have_been_dropped"] == ["eligibility.not_met"]
    assert (taken["shadow_probability"], taken["agrees"]) == (0.0, False)
    tag = contact_tag(DecisionId(answer["decision_id"]), 0)
    seconds, card, hero = NOW_MS // 1_000, hash32("card"), hash32("web.hero")
    assert contacts_of(shop) == [[seconds, card, hero, CONTACT, tag, hash32("card.en")]]


def test_what_was_taken_counts_towards_caps_of_what_is_decided_next(shop):
    for _ in range(2):
        answer = compared(shop, beside(took("coat")))
        assert answer["taken"][0]["would_have_been_dropped"] == []
    third = compared(shop, beside(took("coat")))
    assert third["taken"][0]["would_have_been_dropped"] == ["contact_cap.reached"]
    assert third["choices"][0]["action"] in {NO_ACTION, "parcel"}
    assert len(contacts_of(shop)) == 3


def test_saying_nothing_elsewhere_is_no_contact_and_waits_for_its_outcome(shop):
    answer = compared(shop, beside(took(NO_ACTION), took("card", "desk.screen")))
    assert [entry[1] for entry in contacts_of(shop)] == [hash32("card")]
    decision_id = DecisionId(answer["decision_id"])
    (partition,) = [
        p
        for p in range(shop.ledger.partitions)
        if asyncio.run(shop.ledger.due(p, NOW_MS + 8 * DAY_MS, 10))
    ]
    due = asyncio.run(shop.ledger.due(partition, NOW_MS + 8 * DAY_MS, 10))
    assert sorted(due) == [(decision_id, 0), (decision_id, 1)]


def test_entries_follow_the_placements_asked_for(shop):
    taken = (took("card", "desk.screen"), took("coat"))
    request = ask("anna", "web.hero", "desk.screen", mode=Mode.SHADOW, taken=taken)
    answer = compared(shop, request)
    assert [one["action"] for one in answer["taken"]] == ["coat", "card"]
    said = said_choices(record_of(shop, answer["decision_id"]).answer)
    assert [one["action"] for one in said] == ["coat", "card"]


def test_a_filter_of_the_request_and_missing_content_are_reasons_too(make_shop):
    shop = make_shop(policies=(PUSH, NO_SHIRTS + PUSH))
    asyncio.run(shop.put(age=50))
    answer = compared(shop, beside(took("shirt"), actions=("coat",)))
    assert answer["taken"][0]["would_have_been_dropped"] == [NOT_ASKED_FOR, NO_CONTENT_LEFT]


def test_replay_gives_the_same_bytes_and_explain_says_both(shop):
    asyncio.run(shop.put(age=15))
    request = beside(took("card"), took("coat", "desk.screen"))
    given = asyncio.run(shop.service().decide(request))
    answer = msgspec.json.decode(given)
    record = record_of(shop, answer["decision_id"])
    assert is_shadow(record)
    assert replay(shop.plan, record) == given
    explained = explain(shop.plan, record)
    assert explained["replayed"]
    hero, desk = explained["placements"]
    assert (hero["taken"]["action"], desk["taken"]["action"]) == ("card", "coat")
    (card,) = [one for one in hero["candidates"] if one["action"] == "card"]
    assert [reason["code"] for reason in card["dropped_by"]] == ["eligibility.not_met"]
    chances = {one["action"]: one["probability"] for one in desk["candidates"]}
    assert chances["coat"] == pytest.approx(desk["taken"]["shadow_probability"], rel=1e-6)


def test_a_live_answer_says_nothing_of_shadow(shop):
    answer = asyncio.run(shop.decide())
    assert "taken" not in answer
    assert not is_shadow(record_of(shop, answer["decision_id"]))


def test_a_repeated_report_is_recorded_once_and_another_one_refused(shop):
    request = beside(took("coat"), request_id="r1")
    first = asyncio.run(shop.service().decide(request))
    assert asyncio.run(shop.service().decide(request)) == first
    assert len(contacts_of(shop)) == 1
    with pytest.raises(ConflictError):
        asyncio.run(shop.service().decide(beside(took("shirt"), request_id="r1")))


def test_many_replicas_at_once_count_every_contact_once(shop):
    async def at_once() -> list[bytes]:
        services = [shop.service() for _ in range(8)]
        return await asyncio.gather(*[s.decide(beside(took("coat"))) for s in services])

    answers = [msgspec.json.decode(answer) for answer in asyncio.run(at_once())]
    tags = {contact_tag(DecisionId(answer["decision_id"]), 0) for answer in answers}
    assert {entry[4] for entry in contacts_of(shop)} == tags
    assert len(contacts_of(shop)) == 8
    allowed = [answer for answer in answers if not answer["taken"][0]["would_have_been_dropped"]]
    assert len(allowed) == 2  # two_a_day


@pytest.mark.parametrize(
    ("request_of", "place"),
    [
        (lambda: beside(took("boat")), "/taken/0/action"),
        (lambda: beside(took("coat", content="card.en")), "/taken/0/content"),
        (lambda: beside(took(NO_ACTION, content="card.en")), "/taken/0/content"),
        (lambda: beside(took("coat", probability=0.0)), "/taken/0/probability"),
        (lambda: beside(took("coat", probability=1.01)), "/taken/0/probability"),
        (lambda: beside(took("coat", probability=float("nan"))), "/taken/0/probability"),
        (lambda: beside(took("coat", "web.nowhere")), "/placements/0/id"),
        (
            lambda: ask(
                mode=Mode.SHADOW,
                taken=(took("coat"), took("coat", "desk.screen")),
            ),
            "/taken/1/placement",
        ),
        (
            lambda: ask(mode=Mode.SHADOW, taken=(took("coat"), took("card"))),
            "/taken/1/placement",
        ),
        (lambda: ask(mode=Mode.SHADOW), "/taken"),
        (lambda: ask(taken=(took("coat"),)), "/taken"),
        (lambda: ask(mode=Mode.DRY_RUN, taken=(took("coat"),)), "/taken"),
        (
            lambda: ask("anna", ("web.hero", 2), mode=Mode.SHADOW, taken=(took("coat"),)),
            "/placements/0/count",
        ),
    ],
)
def test_what_cannot_have_been_taken_is_refused_with_its_place(
    shop: Shop, request_of: Callable[[], Any], place: str
):
    with pytest.raises(InputError) as caught:
        asyncio.run(shop.service().decide(request_of()))
    assert [fault.place for fault in caught.value.faults] == [place]


def test_a_placement_in_shadow_gives_nothing_live(make_shop):
    shop = make_shop(**IN_SHADOW)
    with pytest.raises(InputError, match="in shadow") as caught:
        asyncio.run(shop.decide())
    assert [fault.place for fault in caught.value.faults] == ["/placements/0/id"]
    assert asyncio.run(shop.decide(mode=Mode.DRY_RUN))["choices"]
    assert compared(shop, beside(took("coat")))["taken"][0]["action"] == "coat"
    assert msgspec.json.decode(asyncio.run(shop.service().decide(ask("anna", "web.rules"))))


def test_budgets_are_not_touched(make_shop):
    shop = make_shop(policies=(PUSH, CARDS + PUSH))
    asyncio.run(shop.put(age=30))
    budgets = MemoryBudgets(shop.clock)
    known: dict[int, tuple[int, ...]] = {hash32("cards"): (0, 0)}
    service = DecisionService(
        lambda: shop.plan,
        shop.ledger,
        clock=shop.clock,
        random_bits=shop.random_bits,
        shared=lambda: known,
        spending=Spending(budgets, lambda *_: None),
    )
    for _ in range(5):
        asyncio.run(service.decide(beside(took("card"), actions=("card",))))
    assert asyncio.run(budgets.accounts()) == []
    assert np.count_nonzero([entry[1] == hash32("card") for entry in contacts_of(shop)]) == 5
