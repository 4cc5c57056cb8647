"""How choices spread: exploring, converged, or broken."""

from __future__ import annotations

import asyncio
import logging
import math

import msgspec
import numpy as np
import pytest

from nba.ledger.records import DecisionRecord, Draw, ResolutionEntry
from nba.ledger.store import EntryType, LedgerEntry
from nba.worker.choosing import LEAST_DRAWS, ChoiceWatcher, PlacementSpread, Spread

CHANCES = (0.97, 0.02, 0.01)


def record(
    number: int,
    action: str,
    *,
    propensity: float,
    degraded: bool,
    reasons: list[str],
    mode: str = "live",
) -> DecisionRecord:
    answer = {
        "choices": [
            {"placement": "web", "action": action, "propensity": propensity, "reasons": reasons}
        ],
        "degraded": ["bandit"] if degraded else [],
        "mode": mode,
    }
    draw = Draw(
        "web", 1, np.arange(3, dtype="<u2").tobytes(), np.array(CHANCES, dtype="<f4").tobytes()
    )
    return DecisionRecord(
        format=1,
        decision_id=f"d{number}",
        customer_id="c",
        at_ms=0,
        seed=0,
        plan_version="p.0",
        request=b"",
        features=b"",
        consents={},
        time_zone=None,
        locale=None,
        history=b"",
        shared={},
        draws=(draw,),
        answer=msgspec.json.encode(answer),
    )


def watched(
    actions: list[str],
    *,
    labels: list[float],
    propensity: float = 0.5,
    degraded: bool = False,
    reasons: tuple[str, ...] = ("highest_score",),
    mode: str = "live",
) -> list[PlacementSpread]:
    watcher = ChoiceWatcher()
    held = {
        f"d{n}": record(
            n, a, propensity=propensity, degraded=degraded, reasons=list(reasons), mode=mode
        )
        for n, a in enumerate(actions)
    }
    decided = [
        LedgerEntry(0, f"{n}-0", EntryType.DECISION, name.encode()) for n, name in enumerate(held)
    ]
    resolved = [
        LedgerEntry(
            0,
            f"{1_000 + n}-0",
            EntryType.RESOLUTION,
            msgspec.msgpack.encode(
                ResolutionEntry(f"d{n}", 0, actions[n], "rewarded", label, label, 0, None)
            ),
        )
        for n, label in enumerate(labels)
    ]
    asyncio.run(watcher.take([*decided, *resolved], [], held))
    return watcher.spreads()


def test_nothing_is_said_of_few_choices() -> None:
    assert watched(["a"] * (LEAST_DRAWS - 1), labels=[]) == []


def test_choices_that_differ_are_exploring() -> None:
    """Entropy is that of the probabilities by hand, divided by that of three equal ones."""
    (found,) = watched(["a", "b"] * 100, labels=[])
    by_hand = -sum(p * math.log(p) for p in CHANCES) / math.log(3)
    assert (found.spread, found.share, found.draws) == (Spread.EXPLORING, 0.5, 200)
    assert found.entropy == pytest.approx(by_hand, rel=1e-6)
    assert math.isnan(found.surprise)


def test_one_that_does_as_expected_has_converged() -> None:
    (found,) = watched(["a"] * 200, labels=[1.0, 0.0] * 100)
    assert (found.spread, found.action, found.surprise) == (Spread.CONVERGED, "a", 0.0)


def test_one_that_disappoints_is_broken_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Of 200 at one half, 60 come: (60 - 100) / sqrt(50) standard errors."""
    caplog.set_level(logging.INFO)
    (found,) = watched(["a"] * 200, labels=[1.0] * 60 + [0.0] * 140)
    assert found.spread is Spread.BROKEN
    assert found.surprise == pytest.approx(-40 / math.sqrt(50))
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert "placement web is broken: a in 100.0 % of 200 choices" in said.getMessage()


def test_one_that_nothing_stands_behind_is_broken() -> None:
    (found,) = watched(["a"] * 200, labels=[1.0, 0.0] * 100, degraded=True)
    assert (found.spread, found.degraded) == (Spread.BROKEN, 1.0)


def test_rules_are_certain_by_design() -> None:
    assert watched(["a"] * 200, labels=[], reasons=("highest_priority",)) == []


def test_what_another_system_took_says_nothing_of_how_this_one_chooses() -> None:
    assert watched(["a"] * 200, labels=[0.0] * 200, mode="shadow") == []


def test_only_the_latest_count() -> None:
    (found,) = watched(["a", "b"] * 300 + ["a"] * 500, labels=[])
    assert (found.draws, found.share, found.spread) == (500, 1.0, Spread.CONVERGED)
