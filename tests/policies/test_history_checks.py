"""Policies that look back are refused where what they look for is never there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from nba.domain.policy import Selector
from nba.policies import (
    check_policies,
    load_policies,
    policies_from_builtins,
    policies_to_builtins,
)
from nba.policies.calendar_window import CalendarUnit, CalendarWindow
from nba.policies.history_checks import event_faults

CAP = {"kind": "contact_cap", "limit": 1, "window": "7d"}
PAUSE = {"kind": "suppression", "outcomes": ["reject"], "pause": "30d"}
WAIT = {"kind": "sequence", "after": {"actions": ["shirt"]}, "within": "30d"}


@pytest.fixture
def read(tmp_path: Path):
    """Read one policy."""

    def policy(given):
        text = yaml.safe_dump({"policies": [{"id": "p", "description": "d", **given}]})
        (tmp_path / "a.yaml").write_text(text)
        faults = []
        return load_policies(tmp_path, root=tmp_path, faults=faults), faults

    return policy


@pytest.fixture
def faults(read, catalog, schema):
    """Return what is wrong about one policy."""

    def check(given):
        policies, found = read({"applies_to": {"actions": ["card"]}, **given})
        check_policies(policies, catalog=catalog, schema=schema, faults=found)
        return [f"{fault.found}; {fault.expected}" for fault in found]

    return check


@pytest.mark.parametrize(
    "given",
    [
        CAP,
        {**CAP, "window": {"calendar": "week", "zone": "customer", "week_starts": "sun"}},
        {**CAP, "counting": "delivered", "hold": "2d", "release": ["bounced"]},
        {**CAP, "counting": "convert"},
        PAUSE,
        {**PAUSE, "of": {"terms": ["product:credit"]}, "events": ["anything"]},
        {**PAUSE, "pause": "30d", "until_outcomes": ["whatever"]},
        WAIT,
        {**WAIT, "outcome": "click", "at_least": "2d"},
        {"kind": "exclusion", "window": "7d"},
        {"kind": "diversity", "dimension": "product", "limit": 2, "depth": 2},
        {"kind": "rotation", "window": "30d", "by": "fewest"},
    ],
)
def test_good_policies_have_no_fault_and_come_back_from_a_plan(given, faults, read):
    assert faults(given) == []
    policies = read(given)[0].policies
    assert policies_from_builtins(policies_to_builtins(policies)) == policies


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            {**CAP, "counting": "delivred"},
            "counting: no action has the outcome 'delivred'; did you",
        ),
        ({**CAP, "window": {"calendar": "year"}}, "window"),
        ({**CAP, "window": {"calendar": "day", "zone": "Vienna"}}, "zone 'Vienna'; customer, or"),
        ({**CAP, "window": {"calendar": "day", "hours": 3}}, "hours"),
        ({**CAP, "window": "10y"}, "window"),
        ({**PAUSE, "outcomes": ["rejct"]}, "outcomes: no action has the outcome 'rejct'; did you"),
        ({**PAUSE, "without": "clik"}, "without: no action has the outcome 'clik'; did you mean"),
        ({**PAUSE, "of": {"actions": ["crad"]}}, "of: unknown action 'crad'; did you mean card?"),
        ({**WAIT, "outcome": "clicked"}, "outcome: no action has the outcome 'clicked'"),
        ({**WAIT, "after": {"channels": ["fax"]}}, "after: unknown channel 'fax'"),
        (
            {**WAIT, "after": {"actions": ["shirt"], "except_actions": ["shirt"]}},
            "the selector selects nothing; widen it",
        ),
        ({**WAIT, "after": {"actions": ["card"]}}, "card waits for card: it can never be said"),
        ({"kind": "diversity", "dimension": "prodct"}, "unknown dimension 'prodct'; did you mean"),
        ({"kind": "rotation", "window": "30d", "by": "turns"}, "by"),
    ],
)
def test_what_is_never_there_is_a_fault(given, fault, faults):
    found = faults(given)
    assert any(fault in text for text in found), found


def test_an_event_that_is_not_declared_never_comes(read):
    pause = {**PAUSE, "outcomes": [], "events": ["Complaint Opened"], "until_events": ["Solved"]}
    policies, _ = read(pause)
    assert list(event_faults(policies, {"Complaint Opened", "Solved"})) == []
    found = [str(fault) for fault in event_faults(policies, {"Complaints Opened"})]
    assert len(found) == 2
    assert found[0].startswith("a.yaml:")
    assert "events: undeclared event 'Complaint Opened'; did you mean Complaints" in found[0]
    assert "until_events: undeclared event 'Solved'; known: Complaints Opened" in found[1]


def test_calendar_and_durations_are_told_apart(read):
    rolling = read(CAP)[0].policies[0]
    calendar = read({**CAP, "window": {"calendar": "month", "month_starts": 15}})[0].policies[0]
    assert rolling.window == timedelta(days=7)
    assert calendar.window == CalendarWindow(calendar=CalendarUnit.MONTH, month_starts=15)
    assert calendar.selectors() == {"applies_to": Selector()}
