"""``nba policies``, ``nba changes`` and ``nba audit``: from files to live and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from shop import write_project

from nba.bootstrap import clock_of, load_settings, open_control
from nba.decision.project import load_project
from nba.worker.publisher import Publisher

Run = Callable[..., Any]


@pytest.fixture
def project(nba: Run, tmp_path: Path) -> Path:
    """Return a project whose files are live."""
    root = write_project(tmp_path / "project")
    settings = load_settings()
    control = open_control(settings)
    publisher = Publisher(control, None, alias="live", clock=clock_of(settings))
    publisher.publish(load_project(root), note="first", author="ann")
    control.close()
    return root


def edit(root: Path, old: str, new: str) -> str:
    file = root / "policies" / "policies.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return text


def test_files_go_live_through_a_change_set_and_come_back(nba: Run, project: Path) -> None:
    before = edit(project, "limit: 2", "limit: 1")
    told = nba("policies", "diff", "--project", project)
    assert told.out == "policy/two_a_day/limit: 2 → 1\n"
    pushed = nba("policies", "push", "--project", project, "--name", "Less mail", "--json").json
    assert (pushed["change"]["id"], pushed["change"]["status"]) == ("less-mail", "open")
    assert nba("changes", "check", "less-mail", "--json").json["faults"] == []
    refused = nba("changes", "publish", "less-mail")
    assert (refused.status, refused.out) == (1, "")
    assert "is open and cannot become published" in refused.err
    for step in ("submit", "approve"):
        assert nba("changes", step, "less-mail", "--author", "ann").status == 0
    live = nba("changes", "publish", "less-mail", "--json").json
    assert (live["source"], live["change_set"]) == ("change", "less-mail")
    assert "say what is live" in nba("policies", "diff", "--project", project).out
    assert nba("policies", "pull", "--project", project, "--json").json == {"files": []}
    first = nba("changes", "show", "less-mail", "--json").json["base"]
    assert nba("rollback", first, "--note", "too little").status == 0
    pulled = nba("policies", "pull", "--project", project, "--json").json
    assert pulled == {"files": ["policies/policies.yaml"]}
    assert (project / "policies" / "policies.yaml").read_text() == before
    audit = nba("audit", "--limit", 2, "--json").json
    assert [(row["verb"], row["detail"]) for row in audit] == [
        ("rollback", "too little"),
        ("publish", ""),
    ]
    verified = nba("audit", "verify", "--json").json
    assert (verified["broken"], verified["rows"]) == (None, audit[0]["sequence"])


def test_under_four_eyes_nobody_publishes_alone(
    nba: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_FOUR_EYES", "true")
    edit(project, "limit: 2", "limit: 1")
    refused = nba("policies", "push", "--publish", "--project", project, "--author", "ann")
    assert refused.status == 1
    assert "somebody else must approve it" in refused.err
    (waiting, _) = nba("changes", "list", "--json").json
    assert waiting["status"] == "in_review"
    assert nba("changes", "approve", waiting["id"], "--author", "bob").status == 0
    assert nba("changes", "publish", waiting["id"]).status == 0


def test_what_keeps_a_change_set_from_being_published_ends_with_a_status(
    nba: Run, project: Path
) -> None:
    nba("changes", "create", "Empty")
    assert nba("changes", "check", "empty").status == 0
    assert nba("changes", "submit", "empty").status == 1
    unknown = nba("changes", "show", "none")
    assert (unknown.status, unknown.err) == (1, "error: there is no change set 'none'\n")


def test_a_trail_that_was_tampered_with_ends_with_a_status(nba: Run, project: Path) -> None:
    with closing(sqlite3.connect(Path("data") / "control.db")) as connection:
        connection.execute("UPDATE audit_log SET actor = 'eve'")
        connection.commit()
    told = nba("audit", "verify")
    assert told.status == 1
    assert told.out.startswith("Row 1: hash ")
