"""What a learned state belongs to, and what a learner is taught."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from shop import DAY_MS, KIN, NOW_MS, PRICED, Shop, ask, lesson, stump, write_project
from stumps import fit_stump

from nba.bandits import OnlineLogistic
from nba.bandits.change import SHRUNK_TO
from nba.decision.learned import Origin, pack_learned
from nba.decision.project import load_project
from nba.worker import learning
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of
from nba.worker.pointing import state_key
from nba.worker.runner import Worker


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path))


def test_a_state_belongs_to_the_models_it_corrects(shop: Shop) -> None:
    without = state_key(shop.plan.source)
    first = state_key(shop.promote(stump(-2.0, 0.5)).source)
    second = state_key(shop.promote(stump(-1.0, 0.5)).source)
    assert len({without, first, second}) == 3
    shop.registry.set_alias("conversion", "live", "1")
    assert state_key(shop.publish().source) == first


def test_a_state_belongs_to_its_own_inputs_but_not_to_policies(shop: Shop, tmp_path: Path) -> None:
    bandit = write_project(tmp_path / "bandit", **{"models/bandit": ("[age, orders_30d]", "[age]")})
    policies = write_project(tmp_path / "policies", policies=("limit: 2", "limit: 1"))
    key = state_key(shop.plan.source)
    other = shop.publisher.publish(load_project(bandit), note="", author="test")
    assert state_key(other.source) != key
    same = shop.publisher.publish(load_project(policies), note="", author="test")
    assert same.digest != shop.plan.digest
    assert state_key(same.source) == key


def test_a_row_is_put_together_by_name(shop: Shop) -> None:
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"device": "mobile", "age": 30, "tier": "gold", "gone_since": 5.0})
    names = list(shop.plan.features.names)
    assert row.dtype == np.float32
    assert row[names.index("age")] == 30.0
    assert row[names.index("tier")] == 1.0
    assert row[names.index("device")] == 1.0
    assert math.isnan(row[names.index("orders_30d")])
    assert math.isnan(row[names.index("basket")])


@pytest.mark.parametrize("value", [None, "platinum", ""])
def test_a_value_the_plan_does_not_know_is_missing(shop: Shop, value: str | None) -> None:
    row = row_of(shop.plan, {"tier": value, "age": None})
    assert np.isnan(row).all()


@pytest.mark.parametrize(
    ("placement", "action"), [("web.gone", "card"), ("web.hero", "gone")], ids=str
)
def test_what_the_plan_no_longer_has_teaches_nothing(
    shop: Shop, placement: str, action: str
) -> None:
    learner = PlanLearner(shop.plan)
    assert not learner.learn(lesson(row_of(learner.plan, {"age": 30.0}), placement, action, 1.0))
    assert learner.state.updates == 0
    assert learner.learn(lesson(row_of(learner.plan, {"age": 30.0}), "web.hero", "card", 1.0))
    assert learner.state.updates == 1


def test_a_placement_that_goes_by_rules_teaches_nothing(shop: Shop) -> None:
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0})
    before = learner.state.updates
    assert not learner.learn(lesson(row, "web.rules", "coat", 1.0))
    assert learner.state.updates == before
    assert learner.learn(lesson(row, "desk.screen", "coat", 1.0))


def test_of_a_content_it_learns_what_that_changes_about_its_actions_own_logit(shop: Shop) -> None:
    """As the action was before the label was known, or the content would be told it twice."""
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0, "orders_30d": 1.0})
    z, prior = shop.plan.learner_inputs(row), math.log(0.1 / 0.9)
    expected = OnlineLogistic(shop.project.bandit)
    expected.ensure(["shirt.en.a", "shirt.en.b"])
    for label, content in ((1.0, "shirt.en.a"), (1.0, "shirt.en.b"), (0.0, "shirt.en.a")):
        logit = float(learner.state.bind(["shirt"]).logits(np.array([prior]), z)[0])
        assert learner.learn(lesson(row, "web.hero", "shirt", label, content))
        expected.update(content, logit, z, label)
    assert learner.learned.contents.to_bytes() == expected.to_bytes()
    assert learner.state.updates == 3


POSITIONS = {
    "catalog": ("max_count: 3}", "max_count: 3, position_effects: [1, 0.5, 0.2]}"),
}


@pytest.mark.parametrize(
    ("rank", "model"), [(1, 0.1), (2, 0.05), (3, 0.02), (4, 0.02)], ids=["1", "2", "3", "4"]
)
def test_what_is_learned_corrects_the_propensity_at_the_rank_it_stood_at(
    tmp_path: Path, rank: int, model: float
) -> None:
    shop = Shop(write_project(tmp_path, **POSITIONS))
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0, "orders_30d": 1.0})
    z, logit = shop.plan.learner_inputs(row), math.log(model / (1.0 - model))
    expected = OnlineLogistic(shop.project.bandit)
    expected.ensure(["shirt"])
    contents = OnlineLogistic(shop.project.bandit)
    contents.ensure(["shirt.en.a", "shirt.en.b"])
    for label in (1.0, 0.0):
        action_logit, _ = expected.predict("shirt", logit, z)
        about = lesson(row, "web.hero", "shirt", label, "shirt.en.a")
        assert learner.learn(replace(about, rank=rank))
        contents.update("shirt.en.a", action_logit, z, label)
        expected.update("shirt", logit, z, label)
    for found, known, name in (
        (learner.state.online, expected, "shirt"),
        (learner.learned.contents, contents, "shirt.en.a"),
    ):
        np.testing.assert_allclose(found.mean(name), known.mean(name), rtol=1e-9)
        assert found.predict(name, logit, z) == pytest.approx(known.predict(name, logit, z))


def test_a_contents_action_is_taken_as_its_forest_corrects_it(shop: Shop) -> None:
    learner = PlanLearner(shop.plan, fitter=fit_stump)
    for number in range(100):
        age = 20.0 + (number * 7) % 41
        row = row_of(learner.plan, {"age": age, "orders_30d": 0.0})
        learner.learn(lesson(row, "web.hero", "shirt", float(age > 40.0)))
    learner.state.refit()
    row = row_of(learner.plan, {"age": 55.0, "orders_30d": 0.0})
    z, prior = shop.plan.learner_inputs(row), math.log(0.1 / 0.9)
    alone, _ = learner.state.online.predict("shirt", prior, z)
    corrected = float(learner.state.bind(["shirt"]).logits(np.array([prior]), z)[0])
    assert corrected > alone + 0.1
    expected = OnlineLogistic(shop.project.bandit)
    expected.ensure(["shirt.en.a", "shirt.en.b"])
    expected.update("shirt.en.a", corrected, z, 1.0)
    learner.learn(lesson(row, "web.hero", "shirt", 1.0, "shirt.en.a"))
    assert learner.learned.contents.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize(
    ("placement", "action", "content"),
    [
        ("web.hero", "coat", "coat.en"),
        ("web.hero", "shirt", None),
        ("web.hero", "shirt", "gone"),
        ("web.rules", "shirt", "shirt.en.a"),
        ("web.gone", "shirt", "shirt.en.a"),
    ],
    ids=str,
)
def test_of_a_content_that_nothing_is_chosen_against_it_learns_nothing(
    shop: Shop, placement: str, action: str, content: str | None
) -> None:
    learner = PlanLearner(shop.plan)
    learner.learn(lesson(row_of(learner.plan, {"age": 30.0}), placement, action, 1.0, content))
    assert learner.learned.contents.updates == 0
    assert learner.learned.contents.actions == ("shirt.en.a", "shirt.en.b")


async def _three_days(shop: Shop, worker: Worker) -> None:
    """Let one choice a day be made and clicked, by customers as old as the day is late."""
    for day in range(3):
        customer = f"c{day}"
        await shop.put(customer, age=20.0 + 10 * day)
        answer = await shop.decide(customer, actions=("shirt",))
        choice = answer["choices"][0]["action"]
        kind = "click" if choice == "shirt" else "convert"
        await shop.report(answer["decision_id"], kind, outcome_id=f"o{day}")
        shop.clock.advance(seconds=DAY_MS / 1_000)
    while await worker.step():
        pass
    await worker.flush()


@pytest.mark.parametrize(
    ("trained_through_ms", "taught"),
    [(0, 3), (NOW_MS - 1, 3), (NOW_MS, 2), (NOW_MS + DAY_MS + 1, 1), (NOW_MS + 2 * DAY_MS, 0)],
)
def test_a_fresh_state_is_taught_what_came_after_its_models(
    shop: Shop, trained_through_ms: int, taught: int
) -> None:
    asyncio.run(_three_days(shop, shop.worker()))
    plan = shop.promote(stump(-2.0, 0.5, trained_through_ms=trained_through_ms))
    learner = PlanLearner(plan)
    assert learner.study(asyncio.run(shop.logged(plan))) == taught
    assert learner.state.updates == taught


def test_warming_teaches_what_live_learning_taught(tmp_path: Path) -> None:
    """The same resolutions in the same order give the same bytes, read from either place."""
    shop = Shop(write_project(tmp_path), partitions=1)

    async def run() -> bytes:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        await _three_days(shop, worker)
        await worker.teacher.publish_snapshot()
        kept = shop.control.latest_snapshot(state_key(shop.plan.source))
        assert kept is not None
        return kept.state

    live = asyncio.run(run())
    warmed = PlanLearner(shop.plan, origin=Origin(born=0))
    assert warmed.study(asyncio.run(shop.logged())) == 3
    assert pack_learned(warmed.learned, 0) == live


def test_ledger_and_log_know_the_rank_a_choice_stood_at(tmp_path: Path) -> None:
    """So what is learned live and from the log is the same, and other than without effects."""
    shop = Shop(write_project(tmp_path / "shop", **POSITIONS), partitions=1)

    async def run() -> bytes:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        for number in range(12):
            offered = ("card", "coat", "shirt", "parcel")
            wanted = ask(f"c{number}", ("web.hero", 3), actions=offered)
            answer = msgspec.json.decode(await shop.service().decide(wanted))
            for choice in range(len(answer["choices"])):
                outcome_id = f"{number}/{choice}"
                await shop.report(answer["decision_id"], choice=choice, outcome_id=outcome_id)
        while await worker.step():
            pass
        await worker.flush()
        await worker.teacher.publish_snapshot()
        kept = shop.control.latest_snapshot(state_key(shop.plan.source))
        assert kept is not None
        return kept.state

    live = asyncio.run(run())
    lessons = asyncio.run(shop.logged())
    assert {one.rank for one in lessons} == {1, 2, 3}
    warmed = PlanLearner(shop.plan, origin=Origin(born=0))
    warmed.study(lessons)
    assert pack_learned(warmed.learned, 0) == live
    blind = PlanLearner(shop.plan, origin=Origin(born=0))
    blind.study(replace(one, rank=1) for one in lessons)
    assert pack_learned(blind.learned, 0) != live


def test_when_the_world_changes_what_was_learned_of_contents_is_given_up_in_part(
    shop: Shop,
) -> None:
    """As of actions: three tenths of the correction are left at the alarm."""
    learner = PlanLearner(shop.plan)
    row = row_of(shop.plan, {"age": 30.0})
    contents = learner.learned.contents
    for number in range(900):
        # Nobody clicks; then everybody does who sees the first content.
        label = float(number >= 600 and number % 2 == 0)
        content = "shirt.en.a" if number % 2 == 0 else "shirt.en.b"
        before = {name: contents.mean(name) for name in ("shirt.en.a", "shirt.en.b")}
        learner.learn(lesson(row, "web.hero", "shirt", label, content))
        if learner.state.alarms:
            break
    assert number > 600
    (other,) = before.keys() - {content}
    prior = np.array([0.0, 1.0, 0.0, 0.0])
    assert abs(before[other] - prior).max() > 0.1
    np.testing.assert_allclose(contents.mean(other) - prior, SHRUNK_TO * (before[other] - prior))


def test_of_a_goal_is_learned_what_was_waited_for_and_of_an_amount_what_was_reported(
    tmp_path: Path,
) -> None:
    """Where a resolution did not wait for a goal, as before it was declared, nobody knows of it."""
    shop = Shop(write_project(tmp_path, **PRICED))
    learner = PlanLearner(shop.plan)
    row = row_of(shop.plan, {"age": 30.0, "orders_30d": 1.0})
    z = shop.plan.learner_inputs(row)
    expected = OnlineLogistic(shop.plan.source.bandit)
    expected.update("coat:buy", math.log(0.1 / 0.9), z, 1.0)
    expected.update("coat:complain", math.log(0.01 / 0.99), z, 0.0)
    expected.update("coat:complain", math.log(0.01 / 0.99), z, 1.0)
    for goals, missed, amount in (
        (("buy", "gone_since"), ("complain",), 500.0),
        (("complain",), (), None),
        ((), (), 30.0),
    ):
        beside = {"goals": goals, "missed": missed, "amount": amount}
        assert learner.learn(lesson(row, "web.hero", "coat", 1.0, **beside))
    learner.learn(lesson(row, "web.hero", "shirt", 1.0, amount=99.0))
    assert learner.learned.goals.to_bytes() == expected.to_bytes()
    amounts = learner.learned.amounts
    assert amounts.actions == ("coat",)
    faded = shop.plan.source.bandit.forgetting
    assert amounts.mean("coat", 20.0) == pytest.approx((200 + 60 * faded + 30) / (11 + faded))


def test_a_learner_of_rewards_is_told_to_expect_goals_by_base_rates_and_all_else_is_in_rewards(
    tmp_path: Path,
) -> None:
    rewards = {"models/bandit": ("forest_outcomes: 5", "learner: linear\n  reward_cap: 60")}
    plan = Shop(write_project(tmp_path, **PRICED, **rewards)).plan
    slot = plan.placements["web.hero"]
    row = row_of(plan, {"age": 30.0})
    about = lesson(row, "web.hero", "coat", 1.0, goals=("complain",), amount=50.0)
    learner = PlanLearner(plan)
    assert learner.learn(about)
    assert (learner.state.updates, learner.learned.goals.updates) == (1, 0)
    assert learner.learned.amounts.actions == ()
    found = learning._resolved(plan, slot, about)
    assert found.expected == pytest.approx(20.0 * 0.05 + 4.0 * 0.1 - 16.0 * 0.01)
    assert found.worths.tolist() == [found.expected]


def test_when_the_world_changes_what_was_learned_of_goals_is_given_up_in_part(
    tmp_path: Path,
) -> None:
    learner = PlanLearner(Shop(write_project(tmp_path, **PRICED)).plan)
    row = row_of(learner.plan, {"age": 30.0})
    goals = learner.learned.goals
    for _ in range(20):
        learner.learn(lesson(row, "web.hero", "coat", 0.0, goals=("complain",), missed=("buy",)))
    prior = np.array([0.0, 1.0, 0.0, 0.0])
    before = goals.mean("coat:complain") - prior
    for number in range(900):
        learner.learn(lesson(row, "web.hero", "coat", float(number > 600)))
        if learner.state.alarms:
            break
    assert number > 600
    np.testing.assert_allclose(goals.mean("coat:complain") - prior, SHRUNK_TO * before)


def test_of_a_goal_is_learned_how_it_differs_from_what_its_rank_lets_expect(tmp_path: Path) -> None:
    effects = "max_count: 3}", "max_count: 3, position_effects: [1.0, 0.25]}"
    plan = Shop(write_project(tmp_path, **PRICED, **{"catalog/": effects})).plan
    row = row_of(plan, {"age": 30.0, "orders_30d": 1.0})
    learner = PlanLearner(plan)
    about = lesson(row, "web.hero", "coat", 0.0, goals=("buy",), missed=("complain",))
    assert learner.learn(replace(about, rank=2))
    z = plan.learner_inputs(row)
    for kind, base, met in (("buy", 0.1, 1.0), ("complain", 0.01, 0.0)):
        expected = OnlineLogistic(plan.source.bandit)
        expected.update(f"coat:{kind}", math.log(base / 4 / (1 - base / 4)), z, met)
        found = learner.learned.goals.mean(f"coat:{kind}")
        np.testing.assert_allclose(found[:2], expected.mean(f"coat:{kind}")[:2], rtol=1e-9)


def test_goals_and_amounts_do_not_depend_on_when_an_action_was_published(tmp_path: Path) -> None:
    """Coats alone first, then shirts, whose plan comes late; or all under that plan."""
    old = Shop(write_project(tmp_path / "old", **PRICED))
    new = Shop(write_project(tmp_path / "new", **KIN))
    row = row_of(new.plan, {"age": 30.0, "orders_30d": 1.0})
    complaint = {"goals": ("complain",), "missed": ("buy",), "amount": 50.0}
    coats = [lesson(row, "web.hero", "coat", 1.0, **complaint)] * 40
    calm = {"missed": ("complain",), "amount": 7.0}
    shirts = [lesson(row, "web.hero", "shirt", 1.0, **calm)] * 5
    first = PlanLearner(old.plan)
    first.study(coats)
    later = PlanLearner(new.plan, first.learned)
    later.start_new()
    later.study([*shirts, *coats])
    again = PlanLearner(new.plan)
    again.study([*coats, *shirts, *coats])
    for part in ("goals", "amounts"):
        rebuilt, live = (getattr(one.learned, part) for one in (again, later))
        assert rebuilt.to_bytes() == live.to_bytes()
    alone = PlanLearner(new.plan)
    alone.study(shirts)
    taken_over = later.learned.goals.mean("shirt:complain") - alone.learned.goals.mean(
        "shirt:complain"
    )
    assert taken_over[0] > 0.1
    assert later.learned.amounts.mean("shirt", 8.0) > alone.learned.amounts.mean("shirt", 8.0) + 1.0


def test_it_is_kept_with_which_position_effects_ranks_were_learned(tmp_path: Path) -> None:
    """Not of first ranks, nor of saying nothing, which stands nowhere."""
    old = Shop(write_project(tmp_path / "old"))
    new = Shop(write_project(tmp_path / "new", **POSITIONS))
    row = row_of(old.plan, {"age": 30.0})
    first, second = lesson(row, "web.hero", "coat", 1.0), lesson(row, "web.hero", "no_action", 0.0)
    learner = PlanLearner(old.plan)
    learner.study([first, replace(first, rank=2), replace(second, rank=3)])
    assert state_key(old.plan.source) == state_key(new.plan.source)
    later = PlanLearner(new.plan, learner.learned)
    later.study([replace(first, rank=2)])
    (told,) = later.learned.ranks.outdated(new.plan.catalog.placements)
    assert (told.placement, told.rank, told.choices, told.of) == ("web.hero", 2, 1, 2)
    assert (told.learned_with, told.now) == (1.0, 0.5)
    again = PlanLearner(new.plan)
    again.study([first, replace(first, rank=2), replace(first, rank=2)])
    assert again.learned.ranks.outdated(new.plan.catalog.placements) == []
