"""Uploaded lists from a profile update to an answer: seen at once, recorded, replayed, erased."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from shop import Shop, ask

from nba.decision.explain import explain, replay
from nba.decision.recording import read_record
from nba.domain.audience import membership_code
from nba.domain.customer import ProfileUpdate
from nba.domain.ids import CustomerId, DecisionId
from nba.errors import InputError

ANNA = CustomerId("anna")
LISTS = (
    "  channel:\n",
    "  audience:\n    terms: {vip: V, vip/gold: G, blocked: B}\n  channel:\n",
)
POLICIES = """
  - id: coats_for_vips
    kind: audience
    description: Coats are for good customers.
    applies_to: {actions: [coat]}
    in: [vip]
    not_in: [blocked]
  - id: left_alone"""


@pytest.fixture
def listed(make_shop: Callable[..., Shop]) -> Shop:
    """Open a shop with lists, and coats for those on one."""
    return make_shop(catalog=LISTS, policies=("\n  - id: left_alone", POLICIES))


def put(shop: Shop, **audiences: bool) -> None:
    named = {name.replace("__", "/"): joins for name, joins in audiences.items()}
    asyncio.run(shop.profiles.put(ProfileUpdate(customer_id=ANNA, audiences=named)))


def coat(shop: Shop) -> tuple[str, DecisionId]:
    """Ask for a coat where the highest priority is certain; return what is said."""
    answer = asyncio.run(shop.service().decide(ask("anna", "web.rules", actions=("coat",))))
    decoded = msgspec.json.decode(answer)
    return decoded["choices"][0]["action"], DecisionId(decoded["decision_id"])


def test_a_list_counts_from_the_next_decision_on(listed: Shop) -> None:
    said = [coat(listed)[0]]
    for change in (
        {"vip__gold": True},
        {"blocked": True},
        {"blocked": False},
        {"vip__gold": False},
    ):
        put(listed, **change)
        said.append(coat(listed)[0])
    assert said == ["no_action", "coat", "no_action", "coat", "no_action"]


def test_what_was_decided_is_replayed_and_explained_as_the_lists_were(listed: Shop) -> None:
    put(listed, vip=True)
    action, decision_id = coat(listed)
    assert action == "coat"
    put(listed, vip=False, blocked=True)
    (packed,) = asyncio.run(listed.ledger.records([decision_id]))
    assert packed is not None
    record = read_record(packed)
    assert record.consents == {membership_code("vip"): True}
    assert replay(listed.plan, record) == record.answer
    told = explain(listed.plan, record)
    dropped = {
        candidate["action"]: [reason["code"] for reason in candidate["dropped_by"]]
        for candidate in told["placements"][0]["candidates"]
    }
    assert dropped["coat"] == []


def test_an_unknown_list_is_refused_whole(listed: Shop) -> None:
    with pytest.raises(InputError, match=r"/audiences/vpi: .* did you mean vip\?"):
        put(listed, vip=True, vpi=True)
    assert coat(listed)[0] == "no_action"
