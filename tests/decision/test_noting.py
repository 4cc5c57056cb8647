"""What came of contacts is in the history before it is acknowledged, if a policy looks for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from shop import NOW_MS, Shop, ask

from nba.decision.plan import Noted
from nba.domain.alias import Alias
from nba.domain.customer import Event
from nba.domain.history import ContactHistory, contact_tag, event_code, outcome_code, unpack_history
from nba.domain.ids import CustomerId, DecisionId, OutcomeId, hash32
from nba.domain.outcome import Outcome

ANNA = CustomerId("anna")


@pytest.fixture
def attentive(shop: Shop) -> Shop:
    """Return a shop whose plan looks for clicks and orders."""
    noted = Noted(outcomes=frozenset({"click"}), events=frozenset({"Order"}))
    shop.plan = replace(shop.plan, noted=noted)
    return shop


def history_of(shop: Shop, customer_id: CustomerId = ANNA) -> ContactHistory:
    return unpack_history(asyncio.run(shop.ledger.read(customer_id, None)).history)


def coat(shop: Shop) -> DecisionId:
    answer = asyncio.run(shop.service().decide(ask("anna", "web.rules", actions=("coat",))))
    return DecisionId(msgspec.json.decode(answer)["decision_id"])


def report(shop: Shop, decision_id: DecisionId, kind: str, outcome_id: str = "o1") -> str:
    given = Outcome(
        outcome_id=OutcomeId(outcome_id),
        decision_id=decision_id,
        kind=kind,
        at_ms=NOW_MS + 2_000,
        received_at_ms=NOW_MS + 2_000,
    )
    (result,) = asyncio.run(shop.outcomes.report([given]))
    return result.status.value


def test_an_outcome_that_a_policy_looks_for_is_noted_with_its_contact(attentive):
    decision_id = coat(attentive)
    assert report(attentive, decision_id, "click") == "recorded"
    contact, click = history_of(attentive).table.tolist()
    assert click[0] == NOW_MS // 1_000 + 2
    assert click[3] == outcome_code("click")
    assert click[4] == contact[4] == contact_tag(decision_id, 0)
    assert (click[1], click[2], click[5]) == (contact[1], contact[2], contact[5])


def test_other_outcomes_are_not_noted(attentive):
    assert report(attentive, coat(attentive), "impression") == "recorded"
    assert len(history_of(attentive)) == 1


def test_an_outcome_sent_again_is_noted_once(attentive):
    decision_id = coat(attentive)
    assert report(attentive, decision_id, "click") == "recorded"
    assert report(attentive, decision_id, "click") == "duplicate"
    assert report(attentive, decision_id, "click", "o2") == "recorded"
    assert len(history_of(attentive)) == 2


def test_saying_nothing_has_no_contact_to_note_anything_with(attentive):
    answer = asyncio.run(attentive.decide(terms=("channel:email",)))
    assert report(attentive, answer["decision_id"], "click") == "rejected"
    assert len(history_of(attentive)) == 0


def test_an_event_that_a_policy_looks_for_is_noted_once_however_often_it_comes(attentive):
    for _ in range(2):
        asyncio.run(attentive.order())
    (row,) = history_of(attentive).table.tolist()
    assert row[3:5] == [event_code("Order"), hash32("m1")]


def test_what_is_noted_follows_the_customer_to_the_id_they_go_on_under(attentive):
    decision_id = coat(attentive)
    beth = CustomerId("beth")
    asyncio.run(attentive.profiles.ingest([Alias(ANNA, beth)]))
    assert report(attentive, decision_id, "click") == "recorded"
    whats = [row[3] for row in history_of(attentive, beth).table.tolist()]
    assert outcome_code("click") in whats
    event = Event(
        message_id="m9",
        customer_id=ANNA,
        name="Order",
        at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        properties={"revenue": 20.0},
    )
    asyncio.run(attentive.profiles.ingest([event]))
    assert event_code("Order") in [r[3] for r in history_of(attentive, beth).table]
