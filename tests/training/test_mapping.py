"""A mapping is checked whole, and every fault is answered with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import DefinitionError
from nba.training.mapping import load_mapping

GOOD = """\
import:
  dataset: campaign
  description: A test
  at: {constant: 2024-05-01T00:00:00Z}
  placement: email.body
  channel: email
  action:
    column: sent
    values: {A: shoes, B: hats, none: no_action}
  probability: {constant: 1/3}
  features:
    - {name: age, column: age, type: number}
  outcomes:
    - {kind: visit, column: visited}
  reward: {label: visit}
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "m.yaml").write_text(text)
        return load_mapping(tmp_path / "m.yaml", root=tmp_path)

    return load


def faults(load, text):
    with pytest.raises(DefinitionError) as raised:
        load(text)
    return [str(fault) for fault in raised.value.faults]


def test_a_good_mapping_says_what_it_says(load):
    mapping = load(GOOD)
    assert mapping.spec.actions == ("shoes", "hats", "no_action")
    assert mapping.probabilities == {"shoes": 1 / 3, "hats": 1 / 3, "no_action": 1 / 3}
    assert mapping.spec.horizon.days == 14
    assert mapping.place("reward", "label") == "m.yaml:15"


def test_the_mapping_that_ships_is_good():
    root = Path(__file__).resolve().parents[2]
    mapping = load_mapping(root / "training" / "hillstrom.yaml", root=root)
    assert mapping.spec.actions == ("mens_email", "womens_email", "no_action")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("constant: 1/3", "constant: 0", "m.yaml:10: probability.constant: found 0.0;"),
        ("constant: 1/3", "constant: 4/3", "m.yaml:10: probability.constant: found '4/3';"),
        ("constant: 1/3", "constant: 1/0", "m.yaml:10: probability.constant: found '1/0';"),
        ("constant: 1/3", "constant: .nan", "m.yaml:10: probability.constant: found nan;"),
        ("constant: 1/3", "constant: 0.2", "m.yaml:10: probability: the candidates' sum to 0.6;"),
        ("{constant: 1/3}", "{}", "m.yaml:10: probability: found nothing; exactly one of"),
        (
            "{constant: 1/3}",
            "{constant: 1/3, estimated: true}",
            "m.yaml:10: probability: found constant and estimated;",
        ),
        (
            "{constant: 1/3}",
            "{by_action: {shoes: 0.5, hats: 0.5}}",
            "m.yaml:10: probability.by_action: no probability of 'no_action'; add it",
        ),
        (
            "{constant: 1/3}",
            "{by_action: {shoes: 0.5, hats: 0.25, no_action: 0.25, socks: 1}}",
            "m.yaml:10: probability.by_action.socks: is no mapped action; remove it",
        ),
        ("label: visit", "label: vist", "m.yaml:15: reward.label: found 'vist'; one of"),
        ("type: number", "type: numeric", "m.yaml:12: import.features.0.type:"),
        ("name: age", "name: f-age", "m.yaml:12: features.0.name: found 'f-age';"),
        ("dataset: campaign", "dataset: a/b", "m.yaml:2: dataset: found 'a/b';"),
        ("  channel: email\n", "", "m.yaml:1: import.channel: "),
        ("placement:", "plaecment:", "m.yaml:5: import.plaecment: "),
        ("{constant: 2024", "{column: day, constant: 2024", "m.yaml:4: at: needs a constant or"),
        (
            "{A: shoes, B: hats, none: no_action}",
            "{A: shoes}",
            "m.yaml:9: action.values: maps 1 action(s);",
        ),
        (
            "    - {kind: visit, column: visited}\n",
            "    - {kind: visit, column: visited}\n    - {kind: visit, column: again}\n",
            "m.yaml:15: outcomes.1.kind: 'visit' is given twice;",
        ),
        (
            "column: age, type: number}",
            "column: age, type: number, map: {young: low}}",
            "m.yaml:12: features.0.map.young: maps to 'low'; a value of type number",
        ),
    ],
)
def test_each_fault_names_its_line_and_what_was_found(load, old, new, expected):
    assert old in GOOD
    assert any(fault.startswith(expected) for fault in faults(load, GOOD.replace(old, new, 1)))


def test_all_faults_are_named_at_once(load):
    text = GOOD.replace("label: visit", "label: x").replace("dataset: campaign", "dataset: A")
    assert len(faults(load, text)) == 2


def test_only_the_key_import_belongs_at_the_top(load):
    assert faults(load, "imports: {}\n")[0].startswith("m.yaml:1: unknown key 'imports'")


def test_missing_columns_are_named_with_the_nearest_there_is(load):
    mapping = load(GOOD)
    mapping.check_columns(["sent", "age", "visited"])
    with pytest.raises(DefinitionError) as raised:
        mapping.check_columns(["sent", "Age", "vist"])
    assert [str(fault) for fault in raised.value.faults] == [
        "m.yaml:12: features.0.column: the table has no column 'age'; did you mean 'Age'?",
        "m.yaml:14: outcomes.0.column: the table has no column 'visited'; did you mean 'vist'?",
    ]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_stated_probabilities_may_be_fractions_that_sum_to_one(tmp_path_factory, a, b, c):
    total = a + b + c
    stated = f"{{shoes: {a}/{total}, hats: {b}/{total}, no_action: {c / total}}}"
    path = tmp_path_factory.mktemp("m") / "m.yaml"
    path.write_text(GOOD.replace("{constant: 1/3}", f"{{by_action: {stated}}}"))
    found = load_mapping(path, root=path.parent).probabilities
    assert found == {"shoes": a / total, "hats": b / total, "no_action": c / total}
