"""Joining as a table: what each outcome does to the choice it was reported for."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from nba.domain.catalog import Action, Goal
from nba.domain.ids import ActionId
from nba.domain.outcome import ResolutionKind
from nba.ledger.records import OutcomeEntry, ResolutionEntry, unpack
from nba.worker.joining import censored, correction_by, counting, expiry_of, resolution_by

HORIZON_MS = 10_000
CARD = Action(
    id=ActionId("card"),
    name="Card",
    value=50.0,
    desired_outcome="convert",
    negative_outcomes=("reject", "complain"),
    horizon=timedelta(seconds=10),
    reward_at_horizon=-0.25,
)


def outcome(
    kind: str, *, at_ms: int = 5_000, value: float | None = None, outcome_id: str = "o1"
) -> OutcomeEntry:
    return OutcomeEntry(outcome_id, "d1", 2, kind, at_ms, at_ms + 1, value)


def resolved(
    label: float, reward: float, *, at_ms: int = 5_000, amount: float | None = None
) -> ResolutionEntry:
    return ResolutionEntry("d1", 2, "card", "rewarded", label, reward, at_ms, "o1", (), amount)


def joined(action: Action, *reported: OutcomeEntry, waited: bool = False) -> ResolutionEntry | None:
    counted = counting(action, reported, horizon_ms=HORIZON_MS)
    if not counted:
        return None
    return resolution_by(action, counted, horizon_ms=HORIZON_MS, waited=waited)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param(outcome("convert"), resolved(1.0, 50.0), id="desired: the action's value"),
        pytest.param(
            outcome("convert", value=72.5), resolved(1.0, 72.5, amount=72.5), id="its own"
        ),
        pytest.param(
            outcome("convert", value=0.0), resolved(1.0, 0.0, amount=0.0), id="worth nothing"
        ),
        pytest.param(outcome("reject"), resolved(0.0, 0.0), id="negative"),
        pytest.param(outcome("complain", value=9.0), resolved(0.0, 0.0), id="negative, a value"),
        pytest.param(outcome("impression"), None, id="intermediate"),
        pytest.param(outcome("click", value=3.0), None, id="intermediate with a value"),
        pytest.param(
            outcome("convert", at_ms=HORIZON_MS),
            resolved(1.0, 50.0, at_ms=HORIZON_MS),
            id="at the horizon",
        ),
        pytest.param(outcome("convert", at_ms=HORIZON_MS + 1), None, id="after the horizon"),
        pytest.param(outcome("reject", at_ms=HORIZON_MS + 1), None, id="negative after it"),
    ],
)
def test_what_an_outcome_resolves(reported: OutcomeEntry, expected: ResolutionEntry | None) -> None:
    assert joined(CARD, reported) == expected


POSITIVE = resolved(1.0, 50.0)
NEGATIVE = resolved(0.0, 0.0)
EXPIRED = expiry_of(CARD, "d1", 2, horizon_ms=HORIZON_MS)


@pytest.mark.parametrize(
    ("existing", "further", "added"),
    [
        pytest.param(POSITIVE, outcome("convert", outcome_id="o2"), 50.0, id="second desired"),
        pytest.param(
            POSITIVE, outcome("convert", value=7.0, outcome_id="o2"), 7.0, id="with a value"
        ),
        pytest.param(NEGATIVE, outcome("convert", outcome_id="o2"), 50.0, id="after a negative"),
        pytest.param(EXPIRED, outcome("convert", outcome_id="o2"), 50.0, id="after expiry"),
        pytest.param(POSITIVE, outcome("reject", outcome_id="o2"), None, id="negative after"),
        pytest.param(NEGATIVE, outcome("complain", outcome_id="o2"), None, id="two negatives"),
        pytest.param(EXPIRED, outcome("reject", outcome_id="o2"), None, id="negative, expired"),
        pytest.param(POSITIVE, outcome("convert"), None, id="the same outcome"),
    ],
)
def test_what_a_further_outcome_adds(
    existing: ResolutionEntry, further: OutcomeEntry, added: float | None
) -> None:
    correction = correction_by(CARD, further, existing)
    if added is None:
        assert correction is None
    else:
        assert correction == ResolutionEntry(
            "d1", 2, "card", "correction", 1.0, added, 5_000, "o2", (), further.value
        )


NEWS = Action(
    id=ActionId("news"),
    name="News",
    value=8.0,
    desired_outcome="convert",
    negative_outcomes=("reject", "leave"),
    goals={
        "click": Goal(value=0.5, base_rate=0.1),
        "leave": Goal(value=-16.0, base_rate=0.002),
    },
    horizon=timedelta(seconds=10),
    reward_at_horizon=-0.25,
)


def test_with_goals_a_choice_waits_for_all_that_may_come() -> None:
    bought = outcome("convert", at_ms=1_000)
    clicked = outcome("click", at_ms=500, outcome_id="o2")
    left = outcome("leave", at_ms=700, outcome_id="o3")
    assert joined(NEWS, bought) is None
    assert joined(NEWS, clicked, bought) is None
    assert joined(NEWS, outcome("reject"), left) is None
    assert joined(NEWS, clicked, bought, left) == ResolutionEntry(
        "d1", 2, "news", "rewarded", 1.0, -7.5, 1_000, "o1", ("click", "leave"), None
    )


def test_at_its_horizon_a_choice_resolves_by_all_that_was_reported() -> None:
    reported = [
        outcome("click", at_ms=4_000, outcome_id="c1"),
        outcome("click", at_ms=3_000, outcome_id="c2"),
        outcome("convert", at_ms=6_000, value=40.0, outcome_id="b2"),
        outcome("convert", at_ms=2_000, outcome_id="b1"),
        outcome("leave", at_ms=HORIZON_MS + 1, outcome_id="l1"),
    ]
    assert joined(NEWS, *reported) is None
    assert joined(NEWS, *reported, waited=True) == ResolutionEntry(
        "d1",
        2,
        "news",
        "rewarded",
        1.0,
        48.5,
        HORIZON_MS,
        "b1",
        ("click",),
        48.0,
        ("b2",),
        ("leave",),
    )
    assert joined(NEWS, reported[0], waited=True) == ResolutionEntry(
        "d1", 2, "news", "rewarded", 0.0, 0.5, HORIZON_MS, "c1", ("click",), None, (), ("leave",)
    )


def test_a_negative_outcome_without_a_price_counts_for_nothing() -> None:
    assert joined(NEWS, outcome("reject"), waited=True) == ResolutionEntry(
        "d1", 2, "news", "rewarded", 0.0, 0.0, HORIZON_MS, "o1", (), None, (), ("click", "leave")
    )


def test_a_goal_is_added_to_a_resolution_without_it_and_has_no_label() -> None:
    at_horizon = joined(NEWS, outcome("convert"), waited=True)
    assert at_horizon is not None
    left = outcome("leave", at_ms=7_000, outcome_id="o9")
    assert correction_by(NEWS, left, at_horizon) == ResolutionEntry(
        "d1", 2, "news", "correction", 0.0, -16.0, 7_000, "o9", ("leave",), None
    )
    with_it = joined(NEWS, outcome("convert"), outcome("leave", outcome_id="o8"), waited=True)
    assert with_it is not None
    assert correction_by(NEWS, left, with_it) is None
    assert correction_by(NEWS, outcome("convert"), with_it) is None
    assert correction_by(NEWS, outcome("reject", outcome_id="o7"), with_it) is None


def test_each_correction_has_a_name_that_is_written_once() -> None:
    existing = expiry_of(NEWS, "d1", 2, horizon_ms=HORIZON_MS)
    assert existing.field == "r:2"
    named = [
        correction_by(NEWS, outcome(kind, outcome_id=name), existing)
        for kind, name in (("convert", "a"), ("convert", "b"), ("leave", "c"), ("leave", "d"))
    ]
    assert [one.field for one in named if one] == ["c:2:a", "c:2:b", "g:2:leave", "g:2:leave"]


def test_a_resolution_written_before_goals_were_is_read() -> None:
    old = msgspec.msgpack.encode(("d1", 2, "card", "rewarded", 1.0, 50.0, 5_000, "o1"))
    assert unpack(old, ResolutionEntry) == resolved(1.0, 50.0)


def test_a_horizon_that_passes_gives_the_declared_default() -> None:
    expected = ResolutionEntry("d1", 2, "card", "expired", 0.0, -0.25, HORIZON_MS, None)
    assert expected == EXPIRED


def test_a_horizon_that_passes_without_goals_met_says_which_were_missed() -> None:
    found = expiry_of(NEWS, "d1", 2, horizon_ms=HORIZON_MS)
    assert (found.reward, found.goals, found.missed) == (-0.25, (), ("click", "leave"))


def test_a_choice_whose_record_is_gone_is_censored() -> None:
    entry = censored("d1", 2, at_ms=77)
    assert (entry.kind, entry.action, entry.at_ms) == (ResolutionKind.CENSORED, "", 77)
