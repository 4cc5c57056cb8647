"""The bandit's settings: ranges, the file they come from, the explorer they name."""

import math

import pytest

from nba.bandits import (
    UCB,
    BanditSettings,
    Cover,
    EpsilonGreedy,
    Greedy,
    RegCB,
    Softmax,
    SquareCB,
    Thompson,
    Uniform,
    Votes,
    build_explorer,
    load_bandit,
)
from nba.errors import InputError


@pytest.fixture
def project(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path


def load(project, text):
    (project / "models" / "bandit.yaml").write_text(text, encoding="utf-8")
    faults = []
    settings = load_bandit(project / "models", root=project, faults=faults)
    return settings, [str(fault) for fault in faults]


def test_a_file_is_read(project):
    settings, faults = load(
        project,
        "bandit:\n  features: [age, spend_30d]\n  explorer: softmax\n  temperature: 1\n"
        "  prior_precision_weights: 2.5\n  reward_scale: 40\n  content_floor: 0.2\n",
    )
    assert faults == []
    assert settings == BanditSettings(
        features=("age", "spend_30d"),
        explorer="softmax",
        temperature=1.0,
        prior_precision_weights=2.5,
        reward_scale=40.0,
        content_floor=0.2,
    )


def test_without_a_file_the_defaults_hold(project):
    faults = []
    assert load_bandit(project / "models", root=project, faults=faults) == BanditSettings()
    assert faults == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "bandit:\n  gamma: 300\n  forgetting: 1.5\n  epsilon: -1\n",
            [
                "models/bandit.yaml:4: bandit.epsilon: found -1.0; a number from 0 to 1",
                "models/bandit.yaml:3: bandit.forgetting: found 1.5; a number above 0",
            ],
        ),
        (
            "bandit:\n  features:\n    - age\n    - age\n",
            ["models/bandit.yaml:4: bandit.features: 'age' is named twice; name it once"],
        ),
        (
            "bandit:\n  explorer: squarecb\nbandits: {}\n",
            ["models/bandit.yaml:3: found key 'bandits'; only 'bandit' belongs here"],
        ),
        ("model:\n  name: x\n", ["only 'bandit' belongs here", "key 'bandit' is missing"]),
        ("bandit: [\n", ["not readable as YAML"]),
        ("bandit:\n  explorer: boltzmann\n", ["models/bandit.yaml:2: bandit.explorer"]),
        ("bandit:\n\n  gama: 3\n", ["models/bandit.yaml:3: bandit.gama"]),
        ("bandit: 3\n", ["models/bandit.yaml:1: bandit"]),
        ("bandit:\n  gamma: .nan\n", ["models/bandit.yaml:2: bandit.gamma: found nan"]),
    ],
)
def test_every_fault_is_named_with_its_line_and_the_defaults_are_used(project, text, expected):
    settings, faults = load(project, text)
    assert settings == BanditSettings()
    assert len(faults) == len(expected)
    for fault, part in zip(faults, expected, strict=True):
        assert part in fault


@pytest.mark.parametrize(
    ("settings", "explorer"),
    [
        (BanditSettings(), SquareCB(300.0, 0.5, doubt=0.0)),
        (BanditSettings(gamma=5.0, gamma_exponent=0.25), SquareCB(5.0, 0.25, doubt=0.0)),
        (BanditSettings(doubt=0.5), SquareCB(300.0, 0.5, doubt=0.5)),
        (BanditSettings(explorer="epsilon_greedy", epsilon=0.2), EpsilonGreedy(0.2)),
        (BanditSettings(explorer="greedy"), Greedy()),
        (BanditSettings(explorer="softmax", temperature=0.3), Softmax(0.3)),
        (BanditSettings(explorer="uniform"), Uniform()),
        (BanditSettings(explorer="ucb", alpha=2.0), UCB(2.0)),
        (BanditSettings(explorer="regcb", mellowness=0.5), RegCB(0.5)),
        (BanditSettings(explorer="regcb", elimination=True), RegCB(0.1, elimination=True)),
        (BanditSettings(explorer="thompson", deviation_scale=0.5), Thompson(0.5)),
        (
            BanditSettings(explorer="votes", learner="bagged", reward_cap=9.0, epsilon=0.1),
            Votes(0.1),
        ),
        (BanditSettings(explorer="votes", learner="cover", reward_cap=9.0), Votes(0.05)),
        (
            BanditSettings(explorer="cover", learner="cover", reward_cap=9.0, uniform=0.5),
            Cover(0.5),
        ),
        (BanditSettings(explorer="cover", learner="cover", reward_cap=9.0), Cover(0.0)),
    ],
)
def test_settings_name_their_explorer(settings, explorer):
    assert build_explorer(settings) == explorer


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sharing": "hybrid"}, "/sharing: found hybrid with learner logistic"),
        ({"dimensions": ("product",)}, "/dimensions: some are named, and sharing is per_action"),
        (
            {"learner": "linear", "reward_cap": 9.0, "dimensions": ("product",)},
            "/dimensions: some are named, and sharing is per_action",
        ),
        (
            {"learner": "linear", "reward_cap": 9.0, "sharing": "shared"},
            "/dimensions: none is named",
        ),
    ],
)
def test_what_would_share_nothing_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        BanditSettings(**given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gamma", 0.0),
        ("gamma_exponent", 1.1),
        ("epsilon", math.nan),
        ("temperature", 0.0),
        ("alpha", -1.0),
        ("mellowness", math.inf),
        ("deviation_scale", 0.0),
        ("doubt", -0.1),
        ("doubt", 1.5),
        ("prior_precision_bias", -1.0),
        ("prior_precision_slope", math.inf),
        ("prior_precision_weights", 0.0),
        ("forgetting", 0.0),
        ("snapshot_seconds", 0.0),
        ("reward_scale", 0.0),
        ("reward_cap", -1.0),
        ("ridge", 0.0),
        ("members", 0),
        ("members", 65),
        ("psi", 2.0),
        ("uniform", -0.5),
    ],
)
def test_a_field_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(InputError, match=f"^/{field}: found "):
        BanditSettings(**{field: value})


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"learner": "linear"}, "/reward_cap: none is given, and the learner is linear"),
        ({"explorer": "votes"}, "/explorer: found votes with learner logistic; .* bagged or cover"),
        (
            {"explorer": "cover", "learner": "bagged", "reward_cap": 1.0},
            "/explorer: found cover with learner bagged; it counts votes; set learner to cover$",
        ),
        (
            {"learner": "linear", "reward_cap": 1.0, "sharing": "shared"},
            "/dimensions: none is named",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(settings, fault):
    with pytest.raises(InputError, match=fault):
        BanditSettings(**settings)
