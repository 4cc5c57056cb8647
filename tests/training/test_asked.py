"""Policies asked about by name: read, and refused with what is possible."""

import re

import pytest

from nba.bandits import BanditSettings
from nba.errors import InputError
from nba.training.asked import FORMS, names_service, parse_policy
from nba.training.dataset import resolved_choices
from nba.training.evaluation import evaluate


@pytest.mark.parametrize(
    "said",
    [
        "luck",
        "",
        "greedy=1",
        "softmax=warm",
        "softmax=nan",
        "always:",
        "model:",
        "lever:hat",
        "changeset:",
        "x:y",
        "uniform=1",
        "bandit=1",
        "luck,alpha=1",
        "ucb=far",
    ],
)
def test_words_that_are_no_policy_are_refused_with_all_that_are(said):
    with pytest.raises(InputError, match="--policy: ") as refused:
        parse_policy(said)
    assert all(form in str(refused.value) for form in FORMS)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("epsilon_greedy=2", r"'epsilon_greedy=2': epsilon: found 2\.0; a number from 0 to 1"),
        ("softmax=-1", r"'softmax=-1': temperature: found -1\.0; a number above 0"),
        ("lever:hat=-1", "a factor of 0 or more"),
    ],
)
def test_what_is_out_of_range_or_elsewhere_is_said(said, message):
    with pytest.raises(InputError, match=message):
        parse_policy(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ucb", {"explorer": "ucb"}),
        ("ucb=0.5", {"explorer": "ucb", "alpha": 0.5}),
        ("regcb=2,elimination=true", {"explorer": "regcb", "mellowness": 2.0, "elimination": True}),
        ("thompson=3", {"explorer": "thompson", "deviation_scale": 3.0}),
        ("squarecb,doubt=0.5", {"explorer": "squarecb", "doubt": 0.5}),
        (
            "votes=0.1,learner=bagged,reward_cap=9,members=3,features=age+region",
            {
                "explorer": "votes",
                "epsilon": 0.1,
                "learner": "bagged",
                "reward_cap": 9.0,
                "members": 3,
                "features": ("age", "region"),
            },
        ),
        (
            "cover=1,learner=cover,reward_cap=9,psi=0.2",
            {
                "explorer": "cover",
                "uniform": 1.0,
                "learner": "cover",
                "reward_cap": 9.0,
                "psi": 0.2,
            },
        ),
        ("greedy,change_threshold=null", {"explorer": "greedy", "change_threshold": None}),
    ],
)
def test_what_is_not_said_of_an_explorer_and_its_learner_is_the_default(said, expected):
    asked = parse_policy(said)
    assert asked.kind == "learner"
    assert asked.name == expected["explorer"]
    assert asked.bandit == BanditSettings(**expected)


@pytest.mark.parametrize("said", ["greedy", "epsilon_greedy=0.2", "squarecb", "softmax", "uniform"])
def test_explorers_that_need_no_learner_have_one_only_where_settings_are_said(said):
    assert parse_policy(said).kind == "explorer"
    assert parse_policy(f"{said},learner=logistic").kind == "learner"


def test_bandit_begins_with_what_the_service_has():
    service = BanditSettings(explorer="ucb", alpha=0.7, features=("age", "region"), ridge=9.0)
    assert parse_policy("bandit", service).bandit == service
    assert parse_policy("bandit", service).name == "ucb"
    changed = parse_policy("bandit,explorer=greedy,features=", service).bandit
    assert changed == BanditSettings(explorer="greedy", alpha=0.7, features=(), ridge=9.0)
    assert parse_policy("ucb", service).bandit == BanditSettings(explorer="ucb")
    assert names_service(["greedy", "bandit,alpha=1"])
    assert not names_service(["greedy", "ucb,learner=linear,reward_cap=1", "always:bandit"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("votes", "explorer: found votes with learner logistic; it counts votes; set learner to"),
        ("cover,learner=bagged,reward_cap=1", "found cover with learner bagged; it counts votes"),
        ("ucb,learner=linear", "reward_cap: none is given, and the learner is linear; the amount"),
        ("ucb,sharing=hybrid", "sharing: found hybrid with learner logistic; the logistic learner"),
        ("ucb,alhpa=1", "there is no setting 'alhpa'; did you mean alpha"),
        ("ucb,content_floor=0.1", "there is no setting 'content_floor'; "),
        ("ucb=1,alpha=2", "alpha is given twice; give it once"),
        ("ucb,explorer=greedy", "explorer is given twice"),
        ("ucb,alpha", "found 'alpha'; SETTING=VALUE is expected"),
        ("ucb,", "found ''; SETTING=VALUE is expected"),
        ("ucb,learner=magic", "learner: found 'magic'; Input should be 'logistic', 'linear'"),
        ("ucb,members=many", "members: found 'many'; Input should be a valid integer"),
        ("ucb,members=0", "members: found 0; a number from 1 to 64"),
        ("ucb,ridge=nan", "ridge: found nan; a number above 0"),
        ("thompson=0", "deviation_scale: found 0.0; a number above 0"),
        ("ucb,features=age+age", "features/1: 'age' is named twice"),
    ],
)
def test_settings_that_are_wrong_are_named_with_what_would_be_right(said, message):
    with pytest.raises(InputError, match=re.escape(f"--policy: '{said}': ")) as refused:
        parse_policy(said)
    assert message in str(refused.value)


def test_every_fault_of_the_settings_is_named():
    with pytest.raises(InputError) as refused:
        parse_policy("ucb=-1,ridge=-2,psi=3")
    assert [fault.found.split(": ")[1] for fault in refused.value.faults] == [
        "alpha",
        "ridge",
        "psi",
    ]


def test_a_name_that_is_nowhere_is_refused_before_anything_is_fitted(learnable):
    stages = []
    with pytest.raises(InputError, match="an action of the log: hats, no_action, shoes"):
        evaluate(
            resolved_choices(learnable),
            policies=[parse_policy("always:socks")],
            progress=lambda stage, _: stages.append(stage),
        )
    assert stages == []
