"""``nba import``: a table that fits its mapping, and every way in which it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[2]

TABLE = """segment,visit
mail,1
none,0
mail,0
none,1
"""
MAPPING = """import:
  dataset: tiny
  description: Two arms
  at:
    constant: 2024-01-01T00:00:00Z
  horizon: 14d
  placement: email.body
  channel: email
  action:
    column: segment
    values:
      mail: some_email
      none: no_action
  probability:
    constant: 1/2
  outcomes:
    - {kind: visit, column: visit}
  reward:
    label: visit
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    return file


def mapping(folder: Path, text: str = MAPPING) -> Path:
    file = folder / "mapping.yaml"
    file.write_text(text)
    return file


def test_a_table_is_imported_once(nba: Run, tmp_path: Path, table: Path) -> None:
    command = ("import", table, "--mapping", mapping(tmp_path))
    ran = nba(*command, "--json")
    assert ran.status == 0, ran.err
    assert (ran.json["rows"], ran.json["dataset"], ran.json["appended"]) == (4, "tiny", True)
    rates = {action["action"]: action["label_rate"] for action in ran.json["actions"]}
    assert rates == {"some_email": 0.5, "no_action": 0.5}
    assert nba(*command, "--json").json["appended"] is False
    assert "were there already" in nba(*command).out


def test_a_column_that_is_not_there_is_named_with_its_line(
    nba: Run, tmp_path: Path, table: Path
) -> None:
    wrong = mapping(tmp_path, MAPPING.replace("column: visit", "column: visits"))
    ran = nba("import", table, "--mapping", wrong)
    line = MAPPING.splitlines().index("    - {kind: visit, column: visit}") + 1
    assert (ran.status, ran.out) == (1, "")
    assert f"mapping.yaml:{line}" in ran.err
    assert "'visits'" in ran.err
    assert not (tmp_path / "data" / "log" / "tiny" / "decisions").exists()


def test_a_cell_that_is_no_action_is_named_with_its_row(
    nba: Run, tmp_path: Path, table: Path
) -> None:
    table.write_text(TABLE.replace("none,1", "letter,1"))
    ran = nba("import", table, "--mapping", mapping(tmp_path))
    assert ran.status == 1
    assert "'letter'" in ran.err
    assert "segment" in ran.err


@pytest.mark.parametrize("missing", ["table", "mapping"])
def test_a_file_that_is_not_there_is_named(
    nba: Run, tmp_path: Path, table: Path, missing: str
) -> None:
    there = mapping(tmp_path)
    files = {"table": table, "mapping": there} | {missing: tmp_path / "nowhere"}
    ran = nba("import", files["table"], "--mapping", files["mapping"])
    assert ran.status == 1
    assert "nowhere" in ran.err
    assert "Traceback" not in ran.err


def test_a_metric_that_is_none_is_refused(nba: Run) -> None:
    ran = nba("evaluate", "--metric", "luck")
    assert (ran.status, ran.out) == (1, "")
    assert "--metric: found 'luck'" in ran.err


def test_a_policy_that_is_none_is_refused_with_all_that_are(nba: Run) -> None:
    ran = nba("evaluate", "--policy", "luck")
    assert (ran.status, ran.out) == (1, "")
    assert "--policy: found 'luck'" in ran.err
    assert "lever:TERM_OR_ACTION=FACTOR" in ran.err


def test_a_model_that_is_nowhere_is_refused_with_how_to_make_one(nba: Run) -> None:
    ran = nba("evaluate", "--policy", "model:nowhere")
    assert ran.status == 1
    assert "a registered model: `nba train nowhere` makes one" in ran.err


def test_policies_asked_about_are_valued_and_what_the_log_cannot_carry_is_refused(
    nba: Run, tmp_path: Path, table: Path
) -> None:
    rows = ["mail,1", "none,0", "mail,0", "none,1"] * 150
    table.write_text("\n".join(["segment,visit", *rows]) + "\n")
    nba("import", table, "--mapping", mapping(tmp_path))
    ran = nba("evaluate", "--dataset", "tiny", "--policy", "always:some_email", "--json")
    assert ran.status == 0, ran.err
    asked = ran.json["policies"][-1]
    assert asked["policy"] == "always:some_email"
    assert asked["snips"]["value"] == 0.5
    assert asked["effective_sample_size"] == 300.0
    assert not asked["refused"]
    shown = nba("evaluate", "--dataset", "tiny", "--policy", "lever:some_email=3")
    assert "lever:some_email=3" in shown.out


def test_a_lever_on_a_term_is_on_what_carries_it_in_the_project_s_catalog(
    nba: Run, tmp_path: Path, table: Path
) -> None:
    rows = ["mail,1", "none,0", "mail,0", "none,1"] * 150
    table.write_text("\n".join(["segment,visit", *rows]) + "\n")
    text = MAPPING.replace("mail: some_email", "mail: app_install")
    nba("import", table, "--mapping", mapping(tmp_path, text))
    asked = ("evaluate", "--dataset", "tiny", "--project", ROOT, "--json", "--policy")
    ran = nba(*asked, "lever:product:app=2")
    assert ran.status == 0, ran.err
    assert ran.json["policies"][-1]["policy"] == "lever:product:app=2"
    ran = nba(*asked, "lever:product:garden=2")
    assert ran.status == 1
    assert "an action of the log: app_install, no_action" in ran.err
    assert "or a term of theirs: campaign:always_on, desired_action:adopt/app" in ran.err
