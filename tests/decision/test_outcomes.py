"""Reporting outcomes: once each, checked against their decision, and none stops another."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from shop import NOW_MS, Shop, ask

from nba.decision.outcomes import CLOCK_TOLERANCE_MS, OutcomeStatus
from nba.domain.ids import DecisionId, OutcomeId, new_decision_id
from nba.domain.outcome import Outcome
from nba.ledger.positions import START
from nba.ledger.store import EntryType


def outcome(decision_id: str, kind: str = "click", **changes) -> Outcome:
    given = {"outcome_id": "o1", "at_ms": NOW_MS, "received_at_ms": NOW_MS, **changes}
    given["outcome_id"] = OutcomeId(given["outcome_id"])
    return Outcome(decision_id=DecisionId(decision_id), kind=kind, **given)


@pytest.fixture
def coat(shop: Shop) -> str:
    """Id of a decision for one coat."""
    answer = asyncio.run(shop.service().decide(ask("anna", "web.rules", actions=("coat",))))
    decided = msgspec.json.decode(answer)
    assert [choice["action"] for choice in decided["choices"]] == ["coat"]
    return decided["decision_id"]


@pytest.fixture
def nothing(shop: Shop) -> str:
    """Id of a decision to say nothing."""
    return asyncio.run(shop.decide(terms=("channel:email",)))["decision_id"]


def report(shop: Shop, *outcomes: Outcome) -> list[tuple[str, str | None]]:
    results = asyncio.run(shop.outcomes.report(outcomes))
    assert [result.outcome_id for result in results] == [o.outcome_id for o in outcomes]
    return [(r.status.value, r.fault.place if r.fault else None) for r in results]


def written(shop: Shop) -> int:
    positions = dict.fromkeys(range(shop.ledger.partitions), START)
    entries = asyncio.run(shop.ledger.entries(positions, 1_000))
    return sum(entry.type is EntryType.OUTCOME for entry in entries)


def test_the_same_outcome_five_times_is_recorded_once_whether_together_or_apart(shop, coat):
    assert report(shop, *[outcome(coat)] * 3) == [
        ("recorded", None),
        ("duplicate", None),
        ("duplicate", None),
    ]
    assert report(shop, outcome(coat)) == report(shop, outcome(coat)) == [("duplicate", None)]
    assert written(shop) == 1


def test_an_outcome_id_used_for_another_outcome_is_rejected(shop, coat):
    report(shop, outcome(coat))
    for other in (outcome(coat, "reject"), outcome(coat, value=3.0)):
        assert report(shop, other) == [("rejected", "/outcome_id")]
    assert written(shop) == 1


@pytest.mark.parametrize(
    "decision_id", ["", "nope", "fff1977420dc000000000001", "0031977420DC000000000001"]
)
def test_what_is_no_decision_id_is_rejected(shop, decision_id):
    assert report(shop, outcome(decision_id)) == [("rejected", "/decision_id")]
    assert written(shop) == 0


def test_an_outcome_of_a_decision_that_never_was_is_kept_as_unmatched(shop):
    never = new_decision_id(1, NOW_MS, 42)
    assert report(shop, outcome(never)) == [("unmatched", None)]
    assert report(shop, outcome(never)) == [("duplicate", None)]
    assert written(shop) == 1


@pytest.mark.parametrize(
    ("shift_ms", "result"),
    [
        (CLOCK_TOLERANCE_MS, ("recorded", None)),
        (CLOCK_TOLERANCE_MS + 1, ("rejected", "/at")),
        (-CLOCK_TOLERANCE_MS, ("recorded", None)),
        (-CLOCK_TOLERANCE_MS - 1, ("rejected", "/at")),
    ],
)
def test_clocks_may_disagree_by_five_minutes_and_no_more(shop, coat, shift_ms, result):
    assert report(shop, outcome(coat, at_ms=NOW_MS + shift_ms)) == [result]


def test_a_choice_that_the_answer_does_not_have_is_rejected(shop, coat):
    assert report(shop, outcome(coat, choice=1)) == [("rejected", "/choice")]
    assert report(shop, outcome(coat, choice=0)) == [("recorded", None)]


@pytest.mark.parametrize("kind", ["delivered", "impression", "click", "accept", "reject"])
def test_nothing_shown_cannot_have_been_seen(shop, nothing, kind):
    assert report(shop, outcome(nothing, kind)) == [("rejected", "/kind")]
    assert written(shop) == 0


@pytest.mark.parametrize("kind", ["convert", "visited_store"])
def test_customers_act_without_being_told_anything(shop, nothing, kind):
    assert report(shop, outcome(nothing, kind)) == [("recorded", None)]


def test_a_bad_outcome_stops_no_other_and_answers_come_in_order(shop, coat, nothing):
    results = report(
        shop,
        outcome("nope", outcome_id="a"),
        outcome(coat, outcome_id="b"),
        outcome(nothing, outcome_id="c"),
        outcome(coat, outcome_id="d", choice=9),
        outcome(nothing, "convert", outcome_id="e"),
        outcome(coat, outcome_id="b"),
    )
    assert results == [
        ("rejected", "/decision_id"),
        ("recorded", None),
        ("rejected", "/kind"),
        ("rejected", "/choice"),
        ("recorded", None),
        ("duplicate", None),
    ]
    assert written(shop) == 2


def test_no_outcomes_are_no_results(shop):
    assert asyncio.run(shop.outcomes.report([])) == []
    assert OutcomeStatus.UNMATCHED == "unmatched"
