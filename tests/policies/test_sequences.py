"""Sequences that keep something from ever being said are refused, with what waits for what."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.catalog import Action
from nba.domain.ids import ActionId
from nba.policies import load_policies
from nba.policies.sequences import sequence_faults


def sequence(name, applies_to, after, **given):
    return {
        "id": name,
        "description": "d",
        "kind": "sequence",
        "applies_to": applies_to,
        "after": after,
        "within": "14d",
        **given,
    }


@pytest.fixture
def faults(tmp_path: Path, catalog):
    """Return the faults of policies, each with its line."""

    def check(*policies, catalog=catalog):
        (tmp_path / "a.yaml").write_text(yaml.safe_dump({"policies": list(policies)}))
        found = []
        loaded = load_policies(tmp_path, root=tmp_path, faults=found)
        return [str(fault) for fault in (*found, *sequence_faults(loaded, catalog))]

    return check


def only(*actions):
    return {"actions": list(actions)}


def test_a_chain_is_fine(faults):
    chain = [
        sequence("a", only("card"), only("shirt")),
        sequence("b", only("survey"), only("card", "shirt")),
    ]
    assert faults(*chain) == []


def test_what_waits_for_itself_is_named_with_all_between(faults):
    circle = [
        sequence("a", only("card"), only("shirt")),
        sequence("b", only("shirt"), only("survey")),
        sequence("c", only("survey"), only("card")),
    ]
    found = faults(*circle)
    assert len(found) == 3
    assert found[0].startswith("a.yaml:")
    expected = (
        "card waits for shirt, which waits for survey, which waits for card: it can never be said"
    )
    assert expected in found[0]
    assert (
        "card waits for card: it can never" in faults(sequence("a", only("card"), only("card")))[0]
    )


def test_one_way_out_of_the_circle_is_enough(faults):
    circle = [
        sequence("a", only("card"), only("shirt", "survey")),
        sequence("b", only("shirt"), only("card")),
    ]
    assert faults(*circle) == []


def test_a_circle_in_one_channel_is_broken_in_another(faults):
    by_mail = [
        sequence("a", {"actions": ["card"], "channels": ["email"]}, only("shirt")),
        sequence("b", only("shirt"), only("card")),
    ]
    assert faults(*by_mail) == []


def test_a_selection_may_wait_for_a_part_of_itself_that_waits_for_nothing(faults):
    """Service messages wait too; a mandatory one never does, so everything can begin with it."""
    assert faults(sequence("a", {}, only("notice"))) == []
    assert "can never be said" in faults(sequence("a", {}, only("shirt")))[0]


def test_what_it_waits_for_must_not_exclude_it(faults):
    apart = {
        "id": "x",
        "description": "d",
        "kind": "exclusion",
        "applies_to": only("card", "shirt"),
    }
    waits = sequence("a", only("card"), only("shirt"))
    found = faults(waits, {**apart, "window": "14d"})
    assert len(found) == 1
    assert "card waits for what the exclusion 'x' never lets it be said with" in found[0]
    assert faults(waits, {**apart, "window": "13d"}) == []
    assert faults(waits, apart) == []
    other = sequence("a", only("card"), only("shirt", "survey"))
    assert faults(other, {**apart, "window": "14d"}) == []


NAMES = ["card", "shirt", "survey", "extra"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    pairs=st.lists(
        st.tuples(*[st.sets(st.sampled_from(NAMES), min_size=1, max_size=3)] * 2), max_size=5
    )
)
def test_faults_are_there_where_no_order_lets_everything_be_said(catalog, tmp_path_factory, pairs):
    """Judged by trying every order of saying things."""
    actions = (*catalog.actions, Action(id=ActionId("extra"), name="extra"))
    wider = replace(catalog, actions=actions)
    folder = tmp_path_factory.mktemp("policies")
    policies = [
        sequence(f"p{n}", only(*sorted(waits)), only(*sorted(after)))
        for n, (waits, after) in enumerate(pairs)
    ]
    (folder / "a.yaml").write_text(yaml.safe_dump({"policies": policies}))
    loaded = load_policies(folder, root=folder, faults=[])
    said: set[str] = set()
    for _, name in product(NAMES, NAMES):
        if all(after & said for waits, after in pairs if name in waits):
            said.add(name)
    stuck = {f"p{n}" for n, (waits, after) in enumerate(pairs) if waits - said and not after & said}
    lines = {fault.place for fault in sequence_faults(loaded, wider)}
    assert len(lines) == len(stuck)
    assert bool(stuck) == (said != set(NAMES))
