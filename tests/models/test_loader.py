"""Specs are read from files, and every fault is answered with its file and line."""

import textwrap

import pytest

from nba.domain.policy import Selector
from nba.models import load_models

GOOD = """\
model:
  name: accept
  description: Chance of a conversion.
  owner: data science
  outcome: convert
  applies_to: {channels: [email, push]}
  customer_features: [age, visits_30d]
  candidate_features: [value]
  parameters: {num_leaves: 15, learning_rate: 0.05}
  min_rows: 400
  min_positives: 20
  card: models/accept.md
"""


@pytest.fixture
def load(tmp_path):
    """Write files into ``models/`` and load them: the specs and the faults as text."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "accept.md").write_text("# Accept\n")

    def write_and_load(files, **known):
        for name, text in files.items():
            (folder / name).write_text(textwrap.dedent(text))
        faults = []
        specs = load_models(folder, root=tmp_path, faults=faults, **known)
        return specs, [str(fault) for fault in faults]

    return write_and_load


def test_a_spec_says_what_its_file_says_and_the_bandits_file_is_passed_over(load):
    specs, faults = load({"accept.yaml": GOOD, "bandit.yaml": "bandit: {explorer: squarecb}\n"})
    assert faults == []
    (spec,) = specs
    assert spec.name == "accept"
    assert spec.applies_to == Selector(channels=("email", "push"))
    assert spec.customer_features == ("age", "visits_30d")
    assert spec.candidate_features == ("value",)
    assert dict(spec.parameters) == {"num_leaves": 15, "learning_rate": 0.05}
    assert (spec.min_rows, spec.min_positives, spec.card) == (400, 20, "models/accept.md")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  owner: data science\n", "", "models/a.yaml:1: model.owner: Field required; add it"),
        ("min_rows: 400", "min_rows: many", "models/a.yaml:10: model.min_rows: Input should be"),
        ("min_rows: 400", "min_rows: 0", "models/a.yaml:10: model.min_rows: found 0; 1 or more"),
        ("outcome:", "goal:", "models/a.yaml:5: model.goal: Unexpected keyword argument"),
        ("channels:", "channel:", "models/a.yaml:6: model.applies_to.channel: Unexpected keyword"),
        ("[age, visits_30d]", "[age, age]", "models/a.yaml:7: model.customer_features.1: 'age' is"),
        ("num_leaves:", "leaves:", "models/a.yaml:9: model.parameters.leaves: not a parameter"),
        ("models/accept.md", "models/x.md", "models/a.yaml:12: model card 'models/x.md' is not"),
        ("model:", "modell:", "models/a.yaml:1: found key 'modell'; only 'model' belongs here"),
        ("outcome: convert", "outcome: [", "models/a.yaml:7: not readable as YAML"),
    ],
)
def test_a_fault_is_answered_with_its_line_and_the_spec_left_out(load, old, new, fault):
    specs, faults = load({"a.yaml": GOOD.replace(old, new), "b.yaml": GOOD})
    assert [spec.name for spec in specs] == ["accept"]
    assert faults[0].startswith(fault)


def test_sensitive_features_are_read_and_a_foreign_one_is_answered_with_its_line(load):
    specs, faults = load({"a.yaml": GOOD + "  sensitive_features: [age]\n"})
    assert [spec.sensitive_features for spec in specs] == [("age",)]
    assert faults == []
    specs, faults = load({"a.yaml": GOOD + "  sensitive_features: [age, income]\n"})
    assert specs == ()
    (fault,) = faults
    assert fault.startswith("models/a.yaml:13: model.sensitive_features.1: 'income' is no feature")


def test_a_file_without_a_model_says_so(load):
    assert load({"a.yaml": "{}\n"}) == ((), ["models/a.yaml:1: key 'model' is missing; add it"])


def test_a_name_given_twice_is_refused_where_it_is_given_again(load):
    specs, faults = load({"a.yaml": GOOD, "b.yaml": GOOD})
    assert len(specs) == 1
    assert faults == [
        "models/b.yaml:2: a model named 'accept' was described before; give each its own name"
    ]


def test_features_are_checked_against_those_declared(load):
    declared = {"customer_features": ("age", "visits_90d"), "candidate_features": ()}
    specs, faults = load({"a.yaml": GOOD}, **declared)
    assert specs == ()
    assert faults == [
        "models/a.yaml:7: feature 'visits_30d' is not declared; did you mean 'visits_90d'?",
        "models/a.yaml:8: feature 'value' is not declared; declare it in features/",
    ]
