"""Asking how often ranks are looked at, of a log in which every second customer looks further."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from shop import Shop, write_project

from nba.bootstrap import load_settings, open_control, open_log
from nba.ledger.log import SCHEMAS, LogTable
from nba.worker.publisher import Publisher

AT = datetime(2025, 6, 1, tzinfo=UTC)
EFFECTS = ("slots: [title], max_count: 3}", "slots: [title], max_count: 3, EFFECTS}")


@pytest.fixture
def logged(tmp_path: Path) -> None:
    """Show 400 customers two offers, in either order; half of those in front are taken.

    Below it is half of what is looked at, which every second customer does: 200 and 100 of 400.
    """
    settings = load_settings(data_dir=tmp_path / "data")
    catalog = (EFFECTS[0], EFFECTS[1].replace("EFFECTS", "position_effects: [1, 0.8]"))
    shop = Shop(write_project(tmp_path / "project", catalog=catalog))
    control, log = open_control(settings), open_log(settings)
    plan = Publisher(control, None, alias="live", clock=shop.clock).publish(
        shop.project, note="", author="test"
    )
    decisions, resolutions, outcomes = [], [], []
    for number in range(400):
        order = ("coat", "shirt") if number % 2 else ("shirt", "coat")
        taken = number // 2 % 2 == 0, number // 2 % 4 == 0
        for choice, (action, took) in enumerate(zip(order, taken, strict=True)):
            about = {"decision_id": f"d{number}", "choice": choice, "action": action}
            decisions.append(
                {
                    **about,
                    "customer_id": f"c{number}",
                    "at": AT,
                    "horizon_at": AT + timedelta(days=1),
                    "placement": "web.hero",
                    "channel": "web",
                    "rank": choice + 1,
                    "propensity": (0.1, 0.08)[choice],
                    "plan_version": f"{plan.digest}.0",
                    "fallback": False,
                    "holdout": False,
                    "source": "live",
                }
            )
            kind = "rewarded" if took else "expired"
            resolved = {**about, "kind": kind, "label": float(took), "reward": 0.0}
            resolutions.append({**resolved, "at": AT + timedelta(hours=1)})
            outcomes.append(
                {
                    **{name: about[name] for name in ("decision_id", "choice")},
                    "outcome_id": f"o{number}.{choice}",
                    "kind": "impression" if took or number % 4 else "other",
                    "at": AT + timedelta(minutes=5),
                    "received_at": AT + timedelta(minutes=5),
                }
            )
    for table, rows in (
        (LogTable.DECISIONS, decisions),
        (LogTable.RESOLUTIONS, resolutions),
        (LogTable.OUTCOMES, outcomes),
    ):
        log.append(table, pl.DataFrame(rows, schema=SCHEMAS[table]))
    control.close()


def test_before_a_plan_is_live_it_says_so(nba):
    ran = nba("bandit", "positions")
    assert (ran.status, ran.err) == (
        1,
        "error: no plan is live yet; `nba publish` makes a project's files live\n",
    )


def test_before_anything_was_decided_it_says_what_would_be_enough(nba, tmp_path):
    settings = load_settings(data_dir=tmp_path / "data")
    shop = Shop(write_project(tmp_path / "project"))
    control = open_control(settings)
    Publisher(control, None, alias="live", clock=shop.clock).publish(
        shop.project, note="", author="test"
    )
    control.close()
    for words in ((), ("--outcome", "click")):
        hero, _ = nba("bandit", "positions", *words, "--json").json["placements"]
        assert hero["refused"] == (
            "rank 1 of web.hero has 0 resolved choices and 0 outcomes; at least 30 are needed"
        )


def test_effects_are_shown_beside_what_the_plan_has_and_as_a_line_to_paste(nba, logged):
    ran = nba("bandit", "positions", "web.hero")
    assert ran.status == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["web.hero:", "400", "customers"]
    assert lines[2] == ["1", "400", "200", "1.000", "1"]
    assert lines[3][:4] == ["2", "400", "100", "0.500"]
    assert lines[3][-1] == "0.8"
    assert yaml.safe_load(ran.out.splitlines()[-1]) == {"position_effects": [1, 0.5]}


def test_as_json_all_placements_that_take_several_choices_are_told_of(nba, logged):
    found = nba("bandit", "positions", "--json").json
    hero, rules = found["placements"]
    assert (hero["placement"], hero["refused"]) == ("web.hero", None)
    first, second = hero["ranks"]
    assert (first["effect"], first["low"], first["high"]) == (1.0, 1.0, 1.0)
    assert second["effect"] == pytest.approx(0.5, abs=1e-6)
    # 100 of 400 against 200 of 400 has a standard error of .06 at the most.
    assert 0.35 < second["low"] < 0.47
    assert 0.53 < second["high"] < 0.65
    assert hero["now"] == [1.0, 0.8]
    assert hero["position_effects"] == [1.0, 0.5]
    assert rules["placement"] == "web.rules"
    assert rules["refused"].startswith("rank 1 of web.rules has 0 resolved choices")
    assert "rank 1 of web.rules has 0 resolved choices" in nba("bandit", "positions").out


def test_another_kind_of_outcome_can_be_counted(nba, logged):
    """Impressions came of all but customers 4, 12, 20 and so on, at rank 2: 50 of 400."""
    hero = nba("bandit", "positions", "web.hero", "--outcome", "impression", "--json").json
    counted = [one["outcomes"] for one in hero["placements"][0]["ranks"]]
    assert counted == [400, 350]


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ("web.hera", "no placement 'web.hera' in the live plan; did you mean 'web.hero'?"),
        ("web.rules", "rank 1 of web.rules has 0 resolved choices"),
    ],
)
def test_what_cannot_be_told_of_one_placement_is_an_error(nba, logged, placement, message):
    ran = nba("bandit", "positions", placement)
    assert ran.status == 1
    assert message in ran.err
