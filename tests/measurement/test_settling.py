"""What a choice settles at: its resolution and all that corrected it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from nba.ledger.log import SCHEMAS, LogTable
from nba.measurement.settling import settled, settled_goals

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def row(kind: str, label: float, reward: float, hour: int, *goals: str) -> dict[str, Any]:
    return {
        "decision_id": "d1",
        "choice": 0,
        "kind": kind,
        "label": label,
        "reward": reward,
        "at": NOON + timedelta(hours=hour),
        "goals": goals,
    }


EXPIRED = row("expired", 0.0, -0.25, 24)
LATE = row("correction", 1.0, 20.0, 3)
LEFT = row("correction", 0.0, -15.0, 5, "leave")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([EXPIRED], (0.0, -0.25), id="as it resolved"),
        pytest.param([LATE, EXPIRED], (1.0, 19.75), id="a label that happened before the horizon"),
        pytest.param([EXPIRED, LATE, LEFT], (1.0, 4.75), id="a goal leaves the label"),
        pytest.param([EXPIRED, LEFT], (0.0, -15.25), id="a goal alone"),
        pytest.param(
            [row("rewarded", 1.0, 5.0, 1, "leave"), row("correction", 0.0, -5.0, 2)],
            (0.0, 0.0),
            id="taken back",
        ),
        pytest.param([row("censored", 0.0, 0.0, 0), LATE], None, id="censored, then corrected"),
        pytest.param([LATE], None, id="a correction of nothing"),
    ],
)
def test_what_a_choice_settles_at(
    rows: list[dict[str, Any]], expected: tuple[float, float] | None
) -> None:
    frame = pl.LazyFrame(rows, schema=SCHEMAS[LogTable.RESOLUTIONS])
    found = settled(frame).select("label", "reward").collect().rows()
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("entries", "met", "missed"),
    [
        pytest.param([(["buy"], ["leave"])], {"buy"}, {"leave"}, id="as it resolved"),
        pytest.param([(["leave"], []), ([], ["buy", "leave"])], {"leave"}, {"buy"}, id="late"),
        pytest.param([(None, None), (["buy"], None)], {"buy"}, set(), id="older rows"),
        pytest.param([(None, None)], set(), set(), id="nothing is known"),
    ],
)
def test_a_goal_that_came_late_is_met_and_not_missed(
    entries: list[tuple[list[str] | None, list[str] | None]], met: set[str], missed: set[str]
) -> None:
    resolved = [
        {**row("rewarded", 0.0, 0.0, hour), "goals": of_entry[0], "missed": of_entry[1]}
        for hour, of_entry in enumerate(entries)
    ]
    frame = pl.LazyFrame(resolved, schema=SCHEMAS[LogTable.RESOLUTIONS])
    ((*_, found, left),) = settled_goals(frame).collect().rows()
    assert (set(found), set(left)) == (met, missed)
