"""Joining as a table: what each outcome does to the choice it was reported for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nba.domain.catalog import Action
from nba.domain.ids import ActionId
from nba.domain.outcome import ResolutionKind
from nba.ledger.records import OutcomeEntry, ResolutionEntry
from nba.worker.joining import censored, correction_by, expiry_of, resolution_by

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


def resolved(label: float, reward: float, *, at_ms: int = 5_000) -> ResolutionEntry:
    return ResolutionEntry("d1", 2, "card", "rewarded", label, reward, at_ms, "o1")


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param(outcome("convert"), resolved(1.0, 50.0), id="desired: the action's value"),
        pytest.param(outcome("convert", value=72.5), resolved(1.0, 72.5), id="its own value"),
        pytest.param(outcome("convert", value=0.0), resolved(1.0, 0.0), id="worth nothing"),
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
    assert resolution_by(CARD, reported, horizon_ms=HORIZON_MS) == expected


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
    resolution = resolution_by(CARD, further, horizon_ms=HORIZON_MS)
    assert resolution is not None
    correction = correction_by(resolution, existing)
    if added is None:
        assert correction is None
    else:
        assert correction == ResolutionEntry("d1", 2, "card", "correction", 1.0, added, 5_000, "o2")


def test_a_horizon_that_passes_gives_the_declared_default() -> None:
    expected = ResolutionEntry("d1", 2, "card", "expired", 0.0, -0.25, HORIZON_MS, None)
    assert expected == EXPIRED


def test_a_choice_whose_record_is_gone_is_censored() -> None:
    entry = censored("d1", 2, at_ms=77)
    assert (entry.kind, entry.action, entry.at_ms) == (ResolutionKind.CENSORED, "", 77)
