"""Learners of the service, taught on other customers: beside a plain one, choice by choice."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import KIN, Shop, lesson, write_project

from nba.bandits import BanditSettings, Resolved, build_learner
from nba.decision.scoring import score
from nba.domain.catalog import Action, Goal, ValueFrom
from nba.domain.ids import ActionId, Term
from nba.training.asked import parse_policy
from nba.training.candidates import list_candidates
from nba.training.corrections import fit_correction
from nba.training.crossfit import deal
from nba.training.dataset import resolved_choices
from nba.training.encoding import recorded_inputs
from nba.training.evaluation import BEST_CONSTANT, evaluate
from nba.training.fit import fit_model
from nba.training.lessons import Lessons
from nba.training.teaching import teach, teach_asked
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

ACTIONS = ("no_action", "hats", "shoes")
VALUES = {"no_action": 0.0, "hats": 4.0, "shoes": 10.0}
COSTS = {"no_action": 0.0, "hats": 0.5, "shoes": 0.25}
CATALOG = {
    "hats": Action(
        id=ActionId("hats"),
        name="Hats",
        terms=(Term("product:head"),),
        base_rate=0.1,
        value=4.0,
        goals={"leave": Goal(value=-3.0, base_rate=0.05)},
    ),
    "shoes": Action(
        id=ActionId("shoes"),
        name="Shoes",
        terms=(Term("product:feet/shoes"),),
        base_rate=0.2,
        value=6.0,
        value_from=ValueFrom.OUTCOMES,
        value_cap=50.0,
    ),
}
RATES = {"hats": 0.1, "shoes": 0.2}
LEARNED = {"hats": 4.0, "shoes": 10.0, "no_action": 0.0}
DECLARED = {**LEARNED, "shoes": 6.0}
BASE_GOALS = {"hats": -0.15}
GROUPS = {"hats": ["product:head"], "shoes": ["product:feet"], "no_action": []}


@pytest.fixture(scope="module")
def rows(decision, resolution, log_of):
    """240 choices of 60 customers; some had no hats to choose, and nobody ever took ``never``."""
    rng = np.random.default_rng(11)
    decisions, resolutions = [], []
    for number in range(240):
        left = [name for name in ACTIONS if name != "hats" or number % 4]
        if number % 7 == 0:
            left.append("never")
        name = left[int(rng.integers(len(left) - left.count("never")))]
        age = float(rng.normal())
        label = float(rng.random() < (0.5 if age > 0 else 0.2))
        reward = label * VALUES[name] * float(rng.exponential())
        decisions.append(
            decision(
                number,
                customer_id=f"c{number % 60}",
                action=name,
                value=LEARNED[name],
                cost=COSTS[name],
                probability=1 / len(left),
                candidates=left,
                probabilities=[1 / len(left)] * len(left),
                f_age=age if number % 9 else float("nan"),
                f_visits=float(rng.poisson(3)),
                f_region="north",
                a_action_id=name,
            )
        )
        resolutions.append(resolution(number, "rewarded", label, reward, hours=5_000))
    return resolved_choices(log_of(decisions, resolutions))


def lessons_of(rows, *, propensities=None, goals=None, actions=CATALOG):
    table = list_candidates(rows)
    return Lessons(
        table=table,
        folds=deal(rows, 3),
        recorded=recorded_inputs(rows),
        probabilities=rows["probability"].to_numpy(),
        propensities=propensities,
        goals=np.zeros(len(table.choice)) if goals is None else goals,
        actions=actions,
    )


def slowly(bandit, lessons, rows):
    """Return scores, deviations and members of all candidates as the service has them, or NaN."""
    rewards = bandit.learner != "logistic"
    values = DECLARED if rewards else LEARNED
    folds, names = lessons.folds.of, rows["candidates"].to_list()
    n = len(lessons.table.choice)
    scores, deviations = np.full((2, n), np.nan)
    members = np.full((bandit.members, n), np.nan)
    starts = np.cumsum([0, *map(len, names)])
    z = np.array([[rows[f"f_{name}"][row] for name in bandit.features] for row in range(240)])
    for fold in range(lessons.folds.count):
        others = [row for row in range(rows.height) if folds[row] != fold]
        came = sum(rows["label"][row] for row in others)
        rates = {**RATES, "no_action": (came + 1) / (len(others) + 2)}

        def base(row, name, rates=rates):
            given = lessons.propensities
            p = rates[name] if given is None else given[starts[row] + names[row].index(name)]
            return np.log(p / (1 - p))

        learner = build_learner(bandit, fit_correction)
        groups = GROUPS if bandit.dimensions else dict.fromkeys(GROUPS, ())
        learner.ensure({name: groups.get(name, ()) for name in lessons.table.actions})
        for row in others:
            left = [name for name in names[row] if name != "never"]
            worth = {
                name: DECLARED[name] / (1 + np.exp(-base(row, name))) + BASE_GOALS.get(name, 0.0)
                if rewards
                else 0.0
                for name in left
            }
            taken = rows["action"][row]
            told = Resolved(
                action=taken,
                model_logit=base(row, taken),
                z=z[row],
                label=rows["label"][row],
                reward=rows["reward"][row],
                expected=worth[taken],
                probability=rows["probability"][row],
                candidates=left,
                worths=np.array([worth[name] - COSTS[name] for name in left]),
            )
            learner.learn(told)
            learner.refit_if_due()
        assert learner.updates == len(others)
        for row in np.flatnonzero(folds == fold):
            for place, name in enumerate(names[row]):
                if name == "never":
                    continue
                at = starts[row] + place
                found = learner.bind([name]).correct(np.array([base(row, name)]), z[row])
                p = 1 / (1 + np.exp(-found.logits[0]))
                scores[at] = p * values[name] - COSTS[name]
                if rewards:
                    scores[at] += BASE_GOALS.get(name, 0.0)
                    deviations[at] = found.deviations[0]
                    if found.members is not None:
                        members[:, at] = scores[at] + found.members[:, 0]
                    scores[at] += found.rewards[0]
                else:
                    scores[at] += lessons.goals[at]
                    deviations[at] = values[name] * p * (1 - p) * found.variances[0] ** 0.5
    return scores, deviations, members


BANDITS = [
    BanditSettings(features=("age", "visits"), forest_outcomes=10),
    BanditSettings(forests=False, forgetting=0.9),
    BanditSettings(learner="linear", reward_cap=20.0, features=("age",), ridge=5.0),
    BanditSettings(
        learner="linear",
        reward_cap=20.0,
        features=("age",),
        sharing="hybrid",
        dimensions=("product",),
    ),
    BanditSettings(learner="bagged", reward_cap=5.0, members=3, features=("age",), ridge=5.0),
    BanditSettings(learner="cover", reward_cap=20.0, members=2, psi=0.3, features=("age",)),
]


@pytest.mark.parametrize("bandit", BANDITS, ids=lambda one: f"{one.learner}-{one.sharing}")
@pytest.mark.parametrize("has_model", [False, True])
def test_every_candidate_is_scored_as_the_service_would_having_learned_of_others(
    rows, bandit, has_model
):
    rng = np.random.default_rng(2)
    n = sum(map(len, rows["candidates"].to_list()))
    propensities = rng.uniform(0.05, 0.6, n) if has_model else None
    lessons = lessons_of(rows, propensities=propensities, goals=rng.normal(size=n))
    taught = teach(bandit, lessons)
    scores, deviations, members = slowly(bandit, lessons, rows)
    assert np.isnan(scores).sum() == len([1 for number in range(240) if number % 7 == 0])
    assert taught.estimate.means == pytest.approx(scores, nan_ok=True)
    assert taught.estimate.deviations == pytest.approx(deviations, nan_ok=True)
    if bandit.learner in {"bagged", "cover"}:
        assert taught.estimate.members == pytest.approx(members, nan_ok=True)
        assert np.ptp(np.nan_to_num(taught.estimate.members), axis=0).max() > 0.01
    else:
        assert taught.estimate.members is None
    sizes = np.bincount(lessons.folds.of)
    assert taught.updates.tolist() == (240 - sizes[lessons.folds.of]).tolist()


@settings(max_examples=15, deadline=None)
@given(change=st.integers(0, 59), bandit=st.sampled_from(BANDITS))
def test_what_came_of_a_customer_changes_nothing_of_what_is_expected_of_it(rows, change, bandit):
    """Nor of anybody in the same fold, whom the same learner is asked about."""
    is_theirs = pl.col("customer_id") == f"c{change}"
    other = rows.with_columns(
        pl.when(is_theirs).then(1.0 - pl.col("label")).otherwise("label").alias("label"),
        pl.when(is_theirs).then(pl.lit(30.0)).otherwise("reward").alias("reward"),
    )
    lessons = lessons_of(rows)
    first, second = teach(bandit, lessons), teach(bandit, lessons_of(other))
    of_choice = lessons.folds.of[lessons.table.choice]
    row = rows["customer_id"].to_list().index(f"c{change}")
    same = of_choice == lessons.folds.of[row]
    assert first.estimate.means[same].tolist() == pytest.approx(
        second.estimate.means[same].tolist(), rel=0, abs=0, nan_ok=True
    )
    assert not np.allclose(
        first.estimate.means[~same], second.estimate.means[~same], rtol=0, equal_nan=True
    )


@pytest.mark.parametrize(
    ("bandit", "priced"),
    [
        (["explorer: ucb"], {}),
        (["explorer: thompson", "learner: linear"], KIN),
        (["explorer: ucb", "learner: linear", "sharing: hybrid", "dimensions: [product]"], KIN),
        (["explorer: votes", "learner: bagged", "members: 3"], KIN),
        (["explorer: cover", "learner: cover", "members: 3", "psi: 0.2"], KIN),
    ],
)
def test_a_plan_that_learned_the_same_gives_the_same_scores(
    tmp_path, decision, resolution, log_of, bandit, priced
):
    """What the worker teaches and what the service decides by, without what guardrails weigh."""
    text = "\n  ".join([*bandit, "reward_cap: 40"])
    changed = {**priced, "models/bandit": ("explorer: squarecb", text)}
    plan = Shop(write_project(tmp_path, **changed)).plan
    slot = plan.placements["web.hero"]
    catalog = {action.id: action for action in plan.catalog.actions}
    rng = np.random.default_rng(4)
    decisions, resolutions, told = [], [], []
    for number in range(300):
        left = sorted(set(slot.action_ids) - {slot.action_ids[1 + number % 4]} | {"no_action"})
        name = left[int(rng.integers(len(left)))]
        seen = {"age": float(rng.integers(18, 80)), "orders_30d": float(rng.poisson(2))}
        label = float(rng.random() < (0.6 if seen["age"] > 50 else 0.2))
        reward = label * catalog[name].value * float(rng.exponential()) - float(rng.random() < 0.1)
        decisions.append(
            decision(
                number,
                action=name,
                value=catalog[name].value,
                cost=catalog[name].cost,
                probability=1 / len(left),
                candidates=left,
                probabilities=[1 / len(left)] * len(left),
                a_action_id=name,
                **{f"f_{feature}": value for feature, value in seen.items()},
            )
        )
        resolutions.append(resolution(number, "rewarded", label, reward, hours=5_000))
        told.append(
            replace(
                lesson(row_of(plan, seen), "web.hero", name, label),
                reward=reward,
                probability=1 / len(left),
                candidates=tuple(left),
            )
        )
    choices = resolved_choices(log_of(decisions, resolutions))
    lessons = lessons_of(choices, actions=catalog)
    taught = teach(plan.source.bandit, lessons)
    for fold in range(3):
        others = [one for one, of in zip(told, lessons.folds.of, strict=True) if of != fold]
        learner = PlanLearner(plan, fitter=fit_correction)
        assert learner.study(others) == len(others)
        learned = plan.with_learner(learner.learned, 1)
        for number in np.flatnonzero(lessons.folds.of == fold).tolist():
            slot = learned.placements["web.hero"]
            scores = score(slot, learned, told[number].row, np.ones(len(slot.actions)))
            begin, end = lessons.table.start[number : number + 2]
            rows = [slot.action_ids.index(name) for name in choices["candidates"][number]]
            found = taught.estimate
            assert found.means[begin:end] == pytest.approx(scores.scores[rows])
            if scores.deviations is not None:
                assert found.deviations[begin:end] == pytest.approx(scores.deviations[rows])
            if scores.members is not None:
                assert found.members[:, begin:end] == pytest.approx(scores.members[:, rows])
        assert (taught.updates[lessons.folds.of == fold] == learned.updates).all()


def test_policies_that_explore_otherwise_share_a_learner(rows):
    said = ["ucb", "thompson=2", "ucb,features=age", "greedy", "squarecb=9,forests=true"]
    asked = [parse_policy(one) for one in said]
    stages = set()
    found = teach_asked(asked, lessons_of(rows), progress=lambda stage, _: stages.add(stage))
    assert list(found) == [one for one in said if one != "greedy"]
    assert found["ucb"] is found["thompson=2"] is found["squarecb=9,forests=true"]
    assert found["ucb,features=age"] is not found["ucb"]
    assert stages == {"teaching the learner of ucb", "teaching the learner of ucb,features=age"}


def test_a_customer_who_is_all_there_is_finds_a_learner_that_knows_nothing(rows):
    alone = rows.with_columns(pl.lit("c").alias("customer_id"))
    taught = teach(BanditSettings(), lessons_of(alone))
    assert taught.updates.tolist() == [0] * 240
    name = lessons_of(alone).table
    shoes = name.action == name.actions.index("shoes")
    assert taught.estimate.means[shoes] == pytest.approx(0.2 * 10.0 - 0.25)


def test_a_learner_of_who_needs_what_finds_what_a_model_finds(learnable):
    """Greedy by age brings .5, always shoes .3; without features nobody is told apart."""
    choices = resolved_choices(learnable)
    said = ["ucb,features=age", "ucb", "greedy,learner=linear,reward_cap=2,features=age"]
    found = evaluate(choices, policies=[parse_policy(one) for one in said])
    by_name = {entry.policy: entry for entry in found.policies}
    for name, truth in zip(said, (0.5, 0.3, 0.5), strict=True):
        assert by_name[name].dr.value == pytest.approx(truth, abs=0.06)
    assert by_name["ucb,features=age"].verdict == "better"
    assert by_name["ucb"].verdict == "no detectable difference"
    assert [entry.policy for entry in found.policies][1] == BEST_CONSTANT


def test_a_model_that_has_not_seen_the_choices_is_what_is_corrected(learnable, spec):
    """It knows who needs what; a learner without features does not, and leaves that to it."""
    choices = resolved_choices(learnable)
    model = fit_model(spec, choices.head(2_000)).model
    found = evaluate(choices, model=model, policies=[parse_policy("ucb=0.05")])
    (note,) = [note for note in found.notes if note.startswith("ucb=0.05: ")]
    assert "corrects what conversion version" in note
    assert found.policies[-1].dr.value == pytest.approx(0.5, abs=0.06)
    assert found.policies[-1].verdict == "better"
