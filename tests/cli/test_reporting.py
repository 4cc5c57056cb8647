"""``nba report``: what another system earned in shadow, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nba.bootstrap import load_settings, open_log
from nba.ledger.log import SCHEMAS, LogTable

Run = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def logged(nba: Run) -> None:
    """Write a log of ten decisions in shadow; no probability was reported for half of them."""
    log = open_log(load_settings())
    rows = [
        {
            "decision_id": f"d{number}",
            "choice": 0,
            "customer_id": f"c{number}",
            "at": NOON,
            "placement": "web.home.hero",
            "action": "a" if number % 2 else "no_action",
            "cost": 0.0,
            "probability": 0.5 if number < 5 else None,
            "candidates": ["no_action"] if number == 1 else ["no_action", "a"],
            "shadow_action": "no_action",
            "shadow_probability": 0.0 if number == 1 else 0.5,
            "shadow_probabilities": [1.0] if number == 1 else [0.5, 0.5],
            "would_have_been_dropped": ["contact_cap.reached"] if number == 1 else [],
            "source": "shadow",
        }
        for number in range(10)
    ]
    resolutions = [
        {
            "decision_id": row["decision_id"],
            "choice": 0,
            "kind": "rewarded",
            "label": 1.0,
            "reward": 2.0,
            "at": NOON,
        }
        for row in rows
    ]
    log.append(LogTable.DECISIONS, pl.DataFrame(rows, schema=SCHEMAS[LogTable.DECISIONS]))
    log.append(
        LogTable.RESOLUTIONS, pl.DataFrame(resolutions, schema=SCHEMAS[LogTable.RESOLUTIONS])
    )


@pytest.mark.usefixtures("logged")
def test_the_shadow_report_says_what_was_measured_estimated_and_refused(nba: Run) -> None:
    ran = nba("report", "shadow", "--project", ROOT)
    assert ran.status == 0, ran.err
    printed = " ".join(ran.out.split())
    assert printed.startswith(
        "web.home.hero: decisions 10, resolved 10; both agree on 50.0%; guardrails would have "
        "dropped 10.0% of what was taken contact_cap.reached: 1"
    )
    assert "the other system mean 2.0000 [2.0000, 2.0000] 10 measured" in printed
    assert "this system is refused: the effective sample is" in printed
    assert "Rests on shadow:estimated: 5 probabilities were not reported" in printed


@pytest.mark.usefixtures("logged")
def test_the_shadow_report_as_json_has_the_mandatory_rows(nba: Run) -> None:
    (hero,) = nba("report", "shadow", "--project", ROOT, "--json").json["placements"]
    assert [row["name"] for row in hero["rows"]] == [
        *("the other system", "this system", "no_action", "always a"),
    ]
    assert hero["best_constant"] == "a"
    assert hero["dropped_by"] == {"contact_cap.reached": 1}


def test_a_log_without_shadow_is_refused_and_so_is_lift_without_a_holdout(nba: Run) -> None:
    ran = nba("report", "shadow", "--project", ROOT)
    assert (ran.status, ran.out) == (1, "")
    assert "no decisions in shadow" in ran.err
    assert "lift needs both" in nba("report", "--project", ROOT).err
