"""Reading ``policies/*.yaml``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from nba.domain.policy import Missing, Selector
from nba.errors import Fault
from nba.policies import (
    PolicySet,
    load_policies,
    policies_from_builtins,
    policies_to_builtins,
)
from nba.policies.kinds import AudiencePolicy, ContactCap, Holdout, QuietHours
from nba.policies.kinds.holdout import Exempt
from nba.policies.kinds.quiet_hours import Period

GOOD = """\
policies:
  - id: cap
    kind: contact_cap
    description: Not too much.
    owner: crm
    applies_to:
      channels: [email]
      except_terms: [product:service]
    limit: 2
    window: 7d
  - id: night
    kind: quiet_hours
    description: Sleep well.
    start: 21:00
    end: 08:00
    missing: open
"""


def _load(tmp_path: Path, **files: str) -> tuple[PolicySet, list[str]]:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    faults: list[Fault] = []
    return load_policies(folder, root=tmp_path, faults=faults), [str(fault) for fault in faults]


def test_policies_are_read_as_their_kind(tmp_path: Path) -> None:
    policies, faults = _load(tmp_path, caps=GOOD)
    assert faults == []
    cap, night = policies.policies
    assert isinstance(cap, ContactCap)
    assert (cap.id, cap.owner, cap.limit, cap.window) == ("cap", "crm", 2, timedelta(days=7))
    assert cap.applies_to == Selector(channels=("email",), except_terms=("product:service",))
    assert isinstance(night, QuietHours)
    assert night.missing is Missing.OPEN


def test_bare_times_are_read_as_times_though_yaml_makes_numbers_of_them(tmp_path: Path) -> None:
    policies, _ = _load(tmp_path, caps=GOOD)
    night = policies.policies[1]
    assert isinstance(night, QuietHours)
    assert (night.start, night.end) == ("21:00", "08:00")


def test_periods_and_dates_are_read_as_they_are_written(tmp_path: Path) -> None:
    text = """\
policies:
  - id: night
    kind: quiet_hours
    description: Sleep well.
    periods:
      - {start: 21:00, end: 8:00}
      - {start: 12:30, end: 14:00, days: [sat, sun]}
    holidays: [2026-12-24]
    calendars: [AT]
    zone: Europe/Vienna
  - id: members
    kind: audience
    description: For members.
    in: [members/gold]
    not_in: [blocked]
  - id: left_alone
    kind: holdout
    description: Some.
    share: 0.1
    salt: s
    exempt: {audiences: [staff], customers: [the_ceo]}
"""
    policies, faults = _load(tmp_path, night=text)
    assert faults == []
    night, members, held = policies.policies
    assert isinstance(night, QuietHours)
    assert night.periods == (Period("21:00", "08:00"), Period("12:30", "14:00", ("sat", "sun")))
    assert night.holidays == ("2026-12-24",)
    assert isinstance(members, AudiencePolicy)
    assert (members.in_, members.not_in) == (("members/gold",), ("blocked",))
    assert isinstance(held, Holdout)
    assert held.exempt == Exempt(audiences=("staff",), customers=("the_ceo",))
    assert policies_from_builtins(policies_to_builtins([members, held])) == (members, held)


def test_policies_know_where_they_were_written(tmp_path: Path) -> None:
    policies, _ = _load(tmp_path, caps=GOOD)
    cap, _ = policies
    assert cap.place() == "policies/caps.yaml:2"
    assert cap.place("limit") == "policies/caps.yaml:9"
    assert cap.place("applies_to", "channels", 0) == "policies/caps.yaml:7"


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    other = GOOD.replace("id: cap", "id: first").replace("id: night", "id: second")
    policies, _ = _load(tmp_path, b=GOOD, a=other)
    assert len(policies) == 4
    assert [policy.id for policy in policies.policies] == ["first", "second", "cap", "night"]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            "kind: contact_cap",
            "kind: contact_cup",
            ":3: unknown kind 'contact_cup'; did you mean contact_cap?",
        ),
        ("    kind: contact_cap\n", "", ":2: no kind; known:"),
        ("limit: 2", "limit: two", ":9: policies.0.limit: Input should be a valid integer"),
        ("    limit: 2\n", "", ":2: policies.0.limit: Field required; add it"),
        (
            "limit: 2",
            "limit: 2\n    limits: 3",
            ":10: policies.0.limits: Unexpected keyword argument; remove it",
        ),
        ("window: 7d", "window: soon", ":10: policies.0.window."),
        ("channels: [email]", "chanels: [email]", ":7: policies.0.applies_to.chanels: Unexpected"),
        ("missing: open", "missing: maybe", ":16: policies.1.missing: Input should be"),
        ("policies:", "policy:", ":1: unknown key 'policy'; known: policies"),
        ("  - id: cap\n", "  - cap\n  - id: cap\n", ":2: found str; a policy is a mapping"),
        ("limit: 2", "limit: 2\n    limit: 3", ":10: key 'limit' is given twice"),
        ("limit: 2", "limit: [2", ": not readable as YAML"),
    ],
)
def test_what_is_wrong_is_a_fault_with_its_line(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    assert before in GOOD
    _, faults = _load(tmp_path, caps=GOOD.replace(before, after, 1))
    assert any(found.startswith("policies/caps.yaml:") and fault in found for found in faults), (
        faults
    )


def test_one_bad_policy_or_file_hides_no_other(tmp_path: Path) -> None:
    bad = GOOD.replace("limit: 2", "limit: two")
    policies, faults = _load(tmp_path, a=bad, b="- nothing", c=GOOD)
    assert [policy.id for policy in policies.policies] == ["night", "cap", "night"]
    assert len(faults) == 2


def test_missing_folder_is_a_fault(tmp_path: Path) -> None:
    faults: list[Fault] = []
    assert len(load_policies(tmp_path / "policies", root=tmp_path, faults=faults)) == 0
    assert [str(fault) for fault in faults] == [
        "policies: the folder is missing; add it, with YAML files in it"
    ]
