"""``nba import``: a table that fits its mapping, and every way in which it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nba.bootstrap import load_settings, open_log
from nba.ledger.log import SCHEMAS, LogTable

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


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_dataset_that_is_not_there_is_refused_with_those_that_are(
    nba: Run, tmp_path: Path, table: Path, command: str
) -> None:
    nba("import", table, "--mapping", mapping(tmp_path))
    ran = nba(command, "--dataset", "tinny", "--project", ROOT)
    assert (ran.status, ran.out) == (1, "")
    assert "--dataset: found 'tinny'" in ran.err
    assert "a dataset of the log: tiny" in ran.err


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


def test_where_the_catalog_prices_goals_policies_are_ranked_by_them_and_valued_by_rewards(
    nba: Run, tmp_path: Path, table: Path
) -> None:
    rows = ["mail,1", "none,0", "mail,0", "none,1"] * 150
    table.write_text("\n".join(["segment,visit", *rows]) + "\n")
    text = MAPPING.replace("mail: some_email", "mail: club_double_points")
    nba("import", table, "--mapping", mapping(tmp_path, text))
    asked = ("evaluate", "--dataset", "tiny", "--json", "--project")
    ran = nba(*asked, ROOT)
    assert ran.status == 0, ran.err
    assert ran.json["metric"] == "reward"
    assert any("the goals of club_double_points" in note for note in ran.json["notes"])
    assert nba(*asked, ROOT, "--metric", "label").json["metric"] == "label"
    assert nba(*asked, tmp_path).json["metric"] == "label"


def test_the_contents_of_an_action_are_valued_by_their_own_chances(nba: Run) -> None:
    """Of 600 choices of an action half show each content: .8 of one succeed, .2 of the other."""
    at = datetime(2025, 1, 1, tzinfo=UTC)
    decisions = [
        {
            "decision_id": f"d{number}",
            "choice": 0,
            "customer_id": f"c{number}",
            "at": at + timedelta(minutes=number),
            "horizon_at": at + timedelta(days=7),
            "placement": "web.home",
            "channel": "web",
            "rank": 1,
            "action": "shoes",
            "content": f"shoes.{number % 2}",
            "value": 1.0,
            "cost": 0.0,
            "probability": 0.5,
            "content_probability": 0.5,
            "candidates": ["no_action", "shoes"],
            "probabilities": [0.5, 0.5],
            "holdout": False,
            "fallback": False,
            "plan_version": "p1",
            "source": "live",
        }
        for number in range(600)
    ]
    resolutions = [
        {
            "decision_id": f"d{number}",
            "choice": 0,
            "action": "shoes",
            "kind": "rewarded",
            "label": float(number % 10 in {0, 2, 4, 6, 1}),  # 4 of 5 even, 1 of 5 odd numbers
            "reward": 0.0,
            "at": at + timedelta(days=8),
        }
        for number in range(600)
    ]
    log = open_log(load_settings(), "shown")
    for table, told in ((LogTable.DECISIONS, decisions), (LogTable.RESOLUTIONS, resolutions)):
        log.append(table, pl.DataFrame(told, schema=SCHEMAS[table]))
    asked = ("evaluate", "--dataset", "shown", "--contents-of")
    ran = nba(*asked, "shoes", "--policy", "always:shoes.1", "--json")
    assert ran.status == 0, ran.err
    found = {row["policy"]: row for row in ran.json["policies"]}
    assert found["always shoes.0"]["snips"]["value"] == pytest.approx(0.8)
    assert found["always:shoes.1"]["snips"]["value"] == pytest.approx(0.2)
    assert found["logging policy"]["dr"]["value"] == pytest.approx(0.5)
    assert found["always:shoes.1"]["verdict"] == "worse"
    assert found["no_action"]["verdict"] == "refused"  # nobody was told nothing
    assert "best constant content" in nba(*asked, "shoes").out
    ran = nba(*asked, "hats")
    assert (ran.status, ran.out) == (1, "")
    assert "in none of 0 choices could 'hats' have shown another content" in ran.err
    assert "The log has choices among contents of shoes" in ran.err
    ran = nba(*asked, "shoes", "--model", "conversion/1")
    assert "models know nothing of contents" in ran.err
