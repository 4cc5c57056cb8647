"""What policies asked about would choose, worked out by hand, and their rows of the table."""

import numpy as np
import pytest

from nba.bandits import Estimate
from nba.errors import InputError
from nba.training.asked import parse_policy
from nba.training.candidates import list_candidates
from nba.training.choosing import Known, probabilities_of
from nba.training.dataset import resolved_choices
from nba.training.evaluation import LEARNED, RANDOM, evaluate
from nba.training.fit import fit_model
from nba.training.teaching import Taught

ACTIONS = ["no_action", "boots", "hat"]
TERMS = {"boots": ("product:shoes/boots", "journey:spring"), "hat": ("product:hats",)}


@pytest.fixture(scope="module")
def known(decision, resolution, log_of):
    """Two choices of three candidates; boots are worth 4, a hat 2, and cost 1."""
    worth = {"no_action": (0.0, 0.0), "boots": (4.0, 1.0), "hat": (2.0, 1.0)}
    chosen = [
        decision(n, action=a, candidates=ACTIONS, value=worth[a][0], cost=worth[a][1])
        for n, a in enumerate(ACTIONS)
    ]
    rows = resolved_choices(log_of(chosen, [resolution(n) for n in range(3)]))
    propensities = np.tile([0.1, 0.5, 0.9], 3)
    model = np.tile([0.1, 0.9, 0.2], 3)
    return Known(
        table=list_candidates(rows),
        propensities=propensities,
        of_models={"model:other@2": model},
        terms=TERMS,
    )


def chances(said, known):
    found = probabilities_of(parse_policy(said), known)
    assert known.table.totals(found) == pytest.approx(np.ones(3))
    return found[:3].tolist()


# Expected values are 0, .5 · 4 - 1 = 1 and .9 · 2 - 1 = .8.
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("greedy", [0, 1, 0]),
        ("uniform", [1 / 3] * 3),
        ("epsilon_greedy=0.3", [0.1, 0.8, 0.1]),
        ("always:hat", [0, 0, 1]),
        ("no_action", [1, 0, 0]),
        ("model:other@2", [0, 1, 0]),
        ("lever:hat=2", [0, 0, 1]),
        ("lever:product:hats=1.2", [0, 0, 1]),
        ("lever:journey:spring=0.9", [0, 1 / 2, 1 / 2]),
        ("lever:product:shoes=0", [0, 0, 1]),
    ],
)
def test_each_kind_by_hand(known, said, expected):
    assert chances(said, known) == pytest.approx(expected)


def test_softmax_and_squarecb_are_the_service_s_own_in_units_of_the_largest_value(known):
    weights = np.exp(np.array([0.0, 0.25, 0.2]) / 0.5)
    assert chances("softmax=0.5", known) == pytest.approx(weights / weights.sum())
    gamma = 10 * np.sqrt(3 + 1)  # three choices known
    others = 1 / (3 + gamma * 0.25), 1 / (3 + gamma * 0.05)
    expected = [others[0], 1 - sum(others), others[1]]
    assert chances("squarecb=10", known) == pytest.approx(expected)


def test_what_the_log_does_not_have_is_refused_with_what_it_has(known):
    with pytest.raises(InputError, match="'always:sock'; an action of the log: boots, hat, no_act"):
        chances("always:sock", known)
    with pytest.raises(InputError, match="a change set is replayed, not decided from a log"):
        chances("changeset:adults-first", known)
    with pytest.raises(InputError, match="or a term of theirs: journey:spring, product:hats"):
        chances("lever:product:socks=2", known)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ucb=1,features=", [0, 0, 1]),  # 0, 1 + .2, .8 + .5
        ("ucb=0.1,features=", [0, 1, 0]),  # 0, 1 + .02, .8 + .05
        ("votes=0,learner=bagged,reward_cap=1", [0, 1 / 3, 2 / 3]),
        ("votes=0.3,learner=bagged,reward_cap=1", [0.1, 0.1 + 0.7 / 3, 0.1 + 1.4 / 3]),
        # Of 8 and 3 candidates the uniform part is min(1/3, 1/sqrt(3 * 9)) each.
        (
            "cover=1,learner=cover,reward_cap=1",
            [
                1 / 27**0.5,
                1 / 27**0.5 + (1 - 3 / 27**0.5) / 3,
                1 / 27**0.5 + 2 * (1 - 3 / 27**0.5) / 3,
            ],
        ),
    ],
)
def test_what_was_taught_is_explored_as_the_service_does(known, said, expected):
    """Scores, deviations and members are in currency; the unit is 4, what boots bring."""
    members = np.array([[0.0, 1.0, 0.5], [0.0, 1.0, 2.0], [0.0, 0.9, 1.0]])
    taught = Taught(
        estimate=Estimate(
            np.tile([0.0, 1.0, 0.8], 3), np.tile([0.0, 0.2, 0.5], 3), np.tile(members, 3)
        ),
        updates=np.full(3, 8),
    )
    about = Known(
        table=known.table,
        propensities=known.propensities,
        of_models={},
        terms={},
        taught={said: taught},
    )
    assert chances(said, about) == pytest.approx(expected)


def test_the_unit_of_scores_may_be_said(known):
    """Softmax of scores over temperature times unit: 1 apart in 4 here, or in 2."""
    scores = np.tile([0.0, 1.0, 0.0], 3)
    for said, unit in (("softmax=1,features=", 4.0), ("softmax=1,reward_scale=2", 2.0)):
        taught = Taught(estimate=Estimate(scores), updates=np.zeros(3, dtype=np.intp))
        about = Known(
            table=known.table,
            propensities=known.propensities,
            of_models={},
            terms={},
            taught={said: taught},
        )
        share = np.exp(1 / unit) / (2 + np.exp(1 / unit))
        assert chances(said, about)[1] == pytest.approx(share)


def test_a_candidate_that_nothing_is_known_of_is_not_taken(known):
    taught = Taught(
        estimate=Estimate(np.array([0.0, np.nan, 0.1, *[np.nan] * 3, 0.0, 1.0, 0.0])),
        updates=np.zeros(3, dtype=np.intp),
    )
    about = Known(
        table=known.table,
        propensities=known.propensities,
        of_models={},
        terms={},
        taught={"greedy,features=": taught},
    )
    found = probabilities_of(parse_policy("greedy,features="), about)
    assert found.tolist() == pytest.approx([0, 0, 1, 1 / 3, 1 / 3, 1 / 3, 0, 1, 0])


def test_policies_asked_about_are_rows_after_the_mandatory_ones(learnable):
    said = ["greedy", "uniform", "epsilon_greedy=0.5", "lever:shoes=0"]
    found = evaluate(resolved_choices(learnable), policies=[parse_policy(one) for one in said])
    assert [entry.policy for entry in found.policies][-4:] == said
    by_name = {entry.policy: entry for entry in found.policies}
    assert by_name["greedy"].dr == by_name[LEARNED].dr
    assert by_name["uniform"].dr == by_name[RANDOM].dr
    # Greedy brings .5 and uniform .7 / 3, half of each their mean; hats alone .3.
    for name, truth in (("epsilon_greedy=0.5", 0.367), ("lever:shoes=0", 0.3)):
        assert abs(by_name[name].dr.value - truth) < 4 * by_name[name].dr.standard_error


def test_a_model_asked_about_is_judged_on_what_it_has_not_seen(learnable, spec):
    rows = resolved_choices(learnable)
    model = fit_model(spec, rows.head(2_000)).model
    asked = parse_policy("model:conversion@1")
    found = evaluate(rows, policies=[asked], models={asked.said: model})
    assert found.rows == 3_000 - 1_600
    assert found.policies[-1].policy == asked.said
    assert found.policies[-1].description.endswith("by conversion version 1")
    assert found.policies[-1].verdict == "better"
