"""The commands for the bandit: what it has learned, forgetting, learning again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from shop import GREEDY, Shop, ask, write_project

from nba.bootstrap import load_settings, open_control, open_log
from nba.worker.publisher import Publisher
from nba.worker.runner import Worker


@pytest.fixture
def taught(tmp_path: Path) -> Shop:
    """Give a shop whose worker has learned from ten coats, on the stores commands open."""
    settings = load_settings(data_dir=tmp_path / "data")
    shop = Shop(write_project(tmp_path / "project", **GREEDY))
    control, log = open_control(settings), open_log(settings)
    publisher = Publisher(control, None, alias="live", clock=shop.clock)
    plan = publisher.publish(shop.project, note="", author="test")

    async def play() -> None:
        worker = Worker(
            shop.ledger, log, control, shop.repository, clock=shop.clock, expiry_grace_ms=1_000
        )
        await worker.teacher.follow(plan)
        for number in range(10):
            request = ask(f"c{number}", actions=("coat",))
            answer = json.loads(await shop.service().decide(request))
            await shop.report(answer["decision_id"], "click", outcome_id=f"o{number}")
        while await worker.step():
            pass
        await worker.flush()
        await worker.teacher.publish_snapshot()

    asyncio.run(play())
    control.close()
    return shop


def test_before_anything_was_learned_it_says_so(nba, tmp_path):
    ran = nba("bandit", "status")
    assert (ran.status, ran.err) == (
        1,
        "error: no plan is live yet; `nba publish` makes a project's files live\n",
    )


def test_what_was_learned_is_shown_forgotten_and_learned_again(nba, taught):
    """Nine of ten customers got a coat, one is held out: by hand, from the salt of the holdout."""
    before = nba("bandit", "status", "--json").json
    coats = before["actions"]["coat"]["observations"]
    assert before["updates"] >= 9
    assert 8.0 < coats <= 10.0  # each later one lets the earlier fade a little
    assert "observations" in nba("bandit", "status").out

    reset = nba("bandit", "reset", "--term", "product:fashion", "--json").json
    assert reset["actions"] == ["coat", "shirt"]
    forgotten = nba("bandit", "status", "--json").json
    assert forgotten["actions"]["coat"]["observations"] == 0.0
    assert forgotten["snapshot"] == reset["snapshot"] > before["snapshot"]

    ran = nba("bandit", "rebuild")
    assert ran.status == 0
    assert f"learned from {before['updates']} choices" in ran.out
    again = nba("bandit", "status", "--json").json
    assert again["actions"] == before["actions"]


def test_what_is_not_there_is_named(nba, taught):
    ran = nba("bandit", "reset", "--action", "cape")
    assert ran.status == 1
    assert "there is no action 'cape'" in ran.err
    ran = nba("bandit", "reset", "--term", "product:boats")
    assert "no action carries such a term" in ran.err
