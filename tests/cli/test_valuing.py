"""``nba evaluate --policy changeset:…``: which change sets can be valued, and on what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shop import write_project

from nba.bootstrap import clock_of, load_settings, open_control
from nba.decision.project import load_project
from nba.worker.publisher import Publisher

Run = Callable[..., Any]


@pytest.fixture
def drafted(nba: Run, tmp_path: Path) -> str:
    """Return the id of a change set that is open in a project whose files are live."""
    root = write_project(tmp_path / "project")
    settings = load_settings()
    control = open_control(settings)
    publisher = Publisher(control, None, alias="live", clock=clock_of(settings))
    publisher.publish(load_project(root), note="first", author="ann")
    control.close()
    file = root / "policies" / "policies.yaml"
    file.write_text(file.read_text().replace("limit: 2", "limit: 1"))
    pushed = nba("policies", "push", "--project", root, "--name", "Less mail", "--json").json
    return str(pushed["change"]["id"])


def test_a_change_set_that_is_not_there_is_named(nba: Run, drafted: str) -> None:
    ran = nba("evaluate", "--policy", f"changeset:{drafted}-not")
    assert (ran.status, ran.out) == (1, "")
    assert f"'{drafted}-not'" in ran.err


def test_a_change_set_is_valued_on_recorded_decisions_only(nba: Run, drafted: str) -> None:
    ran = nba("evaluate", "--dataset", "tiny", "--policy", f"changeset:{drafted}")
    assert ran.status == 1
    assert f"found 'changeset:{drafted}' with dataset 'tiny'" in ran.err
    assert "in 'live' only" in ran.err


def test_without_a_store_there_are_no_records_and_it_says_so(nba: Run, drafted: str) -> None:
    ran = nba("evaluate", "--policy", f"changeset:{drafted}")
    assert ran.status == 1
    assert "start `nba up`, or set NBA_REDIS_URL" in ran.err
