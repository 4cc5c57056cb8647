"""The page says what it was given, and says violations loudly."""

import io

import pytest
from rich.console import Console

from nba.simulator.memory import JourneyMemory, Played
from nba.simulator.report import (
    DemoReport,
    PolicyRow,
    latency_percentiles,
    print_report,
    summarise,
)
from nba.simulator.truth import Exposure


def report(**changes):
    given = {
        "currency": "EUR",
        "rows": (
            PolicyRow("the service", 5_000, 0.0712, 1.034, 1.05),
            PolicyRow("best constant (women_new_season)", 5_000, 0.04, 0.71, 0.7),
            PolicyRow("no_action", 5_000, 0.018, 0.29, 0.0),
        ),
        "violations": 0,
        "violations_by_policy": {},
        "service_p50_ms": 0.64,
        "service_p99_ms": 2.3,
        "latency_p50_ms": 3.21,
        "latency_p99_ms": 11.9,
        "decisions_per_second": 812.4,
        "refused_outcomes": 0,
    }
    return DemoReport(**{**given, **changes})


def printed(page):
    console = Console(file=io.StringIO(), width=140)
    print_report(page, console)
    return console.file.getvalue()


def test_the_page_has_every_row_with_its_ratio():
    page = printed(report())
    assert "the service" in page
    assert "7.12%" in page
    assert "1.50 times" in page  # 1.05 / 0.70
    assert "EUR per decision" in page
    assert "p50 0.6 ms, p99 2.3 ms" in page
    assert "p50 3.2 ms, p99 11.9 ms" in page
    assert "812 decisions/s" in page
    assert "refused" not in page


def test_violations_are_named_worst_first():
    page = printed(
        report(violations=7, violations_by_policy={"quiet": 2, "caps": 5}, refused_outcomes=1)
    )
    assert "7 (caps 5, quiet 2)" in page
    assert "Outcomes refused by the service" in page


def test_plain_data_is_what_was_given():
    data = report().to_builtins()
    assert data["rows"][1]["expected_value"] == 0.7
    assert data["violations_by_policy"] == {}


def played(*, accepted, value, latency_ms):
    return Played(
        arrival=0,
        decision_id="d",
        customer=0,
        placement=0,
        at_ms=0,
        exposure=Exposure(),
        action="a",
        content=None,
        expected_value=0.5,
        accepted=accepted,
        value=value,
        holdout=False,
        fallback=False,
        latency_ms=latency_ms,
    )


def test_a_journey_is_summarised_per_decision():
    memory = JourneyMemory(
        played=[
            played(accepted=True, value=10.0, latency_ms=1.0),
            played(accepted=False, value=-1.0, latency_ms=2.0),
            played(accepted=False, value=0.0, latency_ms=9.0),
        ]
    )
    row = summarise("x", memory)
    assert row.accept_rate == pytest.approx(1 / 3)
    assert row.value == pytest.approx(3.0)
    assert row.expected_value == pytest.approx(0.5)
    assert latency_percentiles(memory) == (pytest.approx(2.0), pytest.approx(8.86))
