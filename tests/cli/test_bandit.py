"""The commands for the bandit: what it has learned, forgetting, learning again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from shop import DAY_MS, GREEDY, PRICED, Shop, ask, write_project

from nba.bootstrap import load_settings, open_control, open_log
from nba.decision.project import load_project
from nba.worker.publisher import Publisher
from nba.worker.runner import Worker


def teach(root: Path, *, actions: tuple[str, ...] = ("coat",), **changes: tuple[str, str]) -> Shop:
    """Return a shop whose worker has learned from ten coats, on the stores commands open.

    Of several actions each is asked for.
    """
    settings = load_settings(data_dir=root / "data")
    shop = Shop(write_project(root / "project", **GREEDY, **changes))
    control, log = open_control(settings), open_log(settings)
    publisher = Publisher(control, None, alias="live", clock=shop.clock)
    plan = publisher.publish(shop.project, note="", author="test")

    async def play() -> None:
        worker = Worker(
            shop.ledger, log, control, shop.repository, clock=shop.clock, expiry_grace_ms=1_000
        )
        await worker.teacher.follow(plan)
        for number in range(10):
            request = ask(f"c{number}", ("web.hero", len(actions)), actions=actions)
            answer = json.loads(await shop.service().decide(request))
            await shop.report(answer["decision_id"], "click", outcome_id=f"o{number}", value=50.0)
        shop.clock.advance(seconds=10 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()
        await worker.teacher.publish_snapshot()

    asyncio.run(play())
    control.close()
    return shop


@pytest.fixture
def taught(tmp_path: Path) -> Shop:
    """Give a shop that has learned."""
    return teach(tmp_path)


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


def test_goals_and_amounts_are_shown_and_forgotten_with_their_action(nba, tmp_path):
    teach(tmp_path, **PRICED)
    found = nba("bandit", "status", "--json").json
    coats = found["actions"]["coat"]["observations"]
    assert found["goals"]["coat:complain"]["observations"] == pytest.approx(coats)
    amounts = found["amounts"]["coat"]
    assert 8.0 < amounts["observations"] <= coats
    n = amounts["observations"]
    assert amounts["value"] == pytest.approx((10 * 20.0 + n * 50.0) / (10 + n))
    table = nba("bandit", "status").out
    assert "coat:buy" in table
    assert f"{amounts['value']:.2f}" in table
    nba("bandit", "reset", "--action", "coat")
    found = nba("bandit", "status", "--json").json
    assert found["goals"]["coat:complain"]["observations"] == 0.0
    assert found["amounts"]["coat"] == {"observations": 0.0, "value": 20.0}


def test_ranks_that_were_learned_with_other_effects_are_told_until_they_are_learned_again(
    nba, tmp_path
):
    shop = teach(tmp_path, actions=("coat", "shirt"))
    assert nba("bandit", "status", "--json").json["outdated_ranks"] == []
    effects = ("max_count: 3}", "max_count: 3, position_effects: [1, 0.5]}")
    control = open_control(load_settings(data_dir=tmp_path / "data"))
    changed = load_project(write_project(tmp_path / "changed", **GREEDY, catalog=effects))
    publisher = Publisher(control, None, alias="live", clock=shop.clock)
    publisher.publish(changed, note="", author="test")
    control.close()
    (told,) = nba("bandit", "status", "--json").json["outdated_ranks"]
    n = told["choices"]
    assert told == {
        "placement": "web.hero",
        "rank": 2,
        "learned_with": 1.0,
        "now": 0.5,
        "choices": n,
        "of": n,
    }
    assert n >= 9
    out = " ".join(nba("bandit", "status").out.split())
    assert f"web.hero, rank 2: {n} of {n} choices were learned with a position effect of 1" in out
    assert "`nba bandit rebuild` learns them again" in out
    nba("bandit", "rebuild")
    assert nba("bandit", "status", "--json").json["outdated_ranks"] == []


def test_what_is_not_there_is_named(nba, taught):
    ran = nba("bandit", "reset", "--action", "cape")
    assert ran.status == 1
    assert "there is no action 'cape'" in ran.err
    ran = nba("bandit", "reset", "--term", "product:boats")
    assert "no action carries such a term" in ran.err
