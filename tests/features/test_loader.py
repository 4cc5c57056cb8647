"""Definition files: what is right loads, what is wrong is named with file and line."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from nba.errors import Fault
from nba.features import FeatureSet
from nba.features.loader import load_features

EVENTS = """
events:
  - name: buy
    description: a purchase
    properties: {amount: number, category: string}
"""


def load(tmp_path: Path, **files: str) -> tuple[object, list[str]]:
    folder = tmp_path / "features"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text), encoding="utf-8")
    faults: list[Fault] = []
    features = load_features(folder, root=tmp_path, faults=faults, dimensions={"product"})
    return features, [str(fault) for fault in faults]


def test_right_files_load_as_one_set(tmp_path: Path) -> None:
    features, faults = load(
        tmp_path,
        events=EVENTS,
        a="""
        features:
          - {name: age, kind: attribute, type: number, description: age, default: 1}
          - {name: likes, kind: attribute, type: set, values: [a, b], freshness: 9d, description: l}
          - name: spend_30d
            kind: aggregate
            description: spent
            event: buy
            function: sum
            property: amount
            window: 30d
            where: properties.category == "home"
          - name: by_category
            kind: aggregate
            description: bought by category
            event: buy
            function: count
            by: category
            limit: 20
          - {name: bought_here, kind: cross, of: by_category, source: action.id, description: b}
          - {name: share, kind: aggregate, function: ratio, numerator: spend_30d,
             denominator: fading, default: 0, description: share}
        """,
        b="""
        features:
          - {name: device, kind: context, type: enum, values: [web, app], description: device}
          - {name: branch, kind: action, source: "action.term:product@1", description: branch}
          - {name: is_card, kind: action, source: "action.has_term:product:card", description: c}
          - {name: fading, kind: aggregate, event: buy, function: decayed_sum, property: amount,
             half_life: 14d, description: fading}
          - {name: clicks, kind: interaction, of: click, by: product@1, description: clicks}
          - {name: seen, kind: interaction, of: decision, window: 7d, description: seen}
          - {name: per_year, kind: derived, expression: customer.spend_30d / customer.age,
             description: per year}
        segments:
          - {name: young, condition: customer.age < 30.0, description: young, owner: crm}
        """,
    )
    assert faults == []
    assert isinstance(features, FeatureSet)
    assert features.names == (
        *("age", "likes[a]", "likes[b]", "fading", "spend_30d", "share"),
        *("seen", "device", "per_year", "segment_young"),
    )
    assert features.categories == {"device": ("web", "app")}
    assert features.candidate_names == ("branch", "is_card", "bought_here")
    kinds = [(item.name, item.kind) for item in features.definitions]
    assert kinds[:2] == [("age", "attribute"), ("likes", "attribute")]  # as written
    assert kinds[-2:] == [("seen", "interaction"), ("per_year", "derived")]
    (segment,) = features.segments
    assert (segment.name, segment.owner) == ("young", "crm")


def test_every_fault_of_every_file_is_named_with_its_line(tmp_path: Path) -> None:
    features, faults = load(
        tmp_path,
        events=EVENTS,
        a="""\
        features:
          - name: Age
            kind: attribute
            type: number
            description: age
          - name: spend
            kind: aggregate
            description: spent
            event: buy
            function: sum
            property: category
            window: 20y
            where: properties.category > 3.0
          - name: tier
            kind: attribute
            type: enum
            description: tier
          - name: branch
            kind: action
            source: action.term:produkt@1
            description: branch
        """,
        b="""\
        features:
          - {name: tier, kind: attribute, type: bool, description: tier}
          - {name: x, kind: profile, description: x}
          - {name: y, description: y}
          - {name: z, kind: attribute, type: numeric, description: z}
          - {name: w, kind: attribute, type: bool, descripton: w}
          - {name: v, kind: aggregate, type: number, event: buy, function: count, description: v}
          - {name: u, kind: aggregate, event: buy, function: median, description: u}
          - {name: t, kind: interaction, of: click, function: sum, description: t}
          - {name: s, kind: derived, description: s}
          - {name: r, kind: cross, source: action.id, description: r}
          - {name: q, kind: interaction, of: decision, description: q}
        policies: []
        segments:
          - {name: Young, condition: "true", description: young}
          - {name: old, description: old}
          - {name: odd, condition: "true", description: odd}
          - {name: odd, condition: "true", description: odd}
        """,
    )
    assert features is None
    starts = [
        "features/b.yaml:13: unknown key 'policies'; one of: features, events, segments",
        "features/a.yaml:2: name 'Age'; snake_case",
        "features/a.yaml:12: window '20y'; 1h to 365d",
        "features/a.yaml:11: property 'category' is a string; number properties of 'buy': amount",
        "features/a.yaml:13: where, line 1, column",
        "features/a.yaml:14: an enum without values; list its values",
        "features/a.yaml:20: 'produkt' is no dimension of the taxonomy; one of product",
        "features/b.yaml:2: feature 'tier' is declared twice; first at features/a.yaml:14",
        "features/b.yaml:3: kind 'profile'; one of: attribute, aggregate, interaction, derived, c",
        "features/b.yaml:4: a feature without kind; one of",
        "features/b.yaml:5: features.3.type: ",
        "features/b.yaml:6: features.4.description: ",
        "features/b.yaml:6: features.4.descripton: ",
        "features/b.yaml:7: features.5.type: ",
        "features/b.yaml:8: features.6.function: ",
        "features/b.yaml:9: features.7.function: ",
        "features/b.yaml:10: features.8.expression: ",
        "features/b.yaml:11: features.9.of: ",
        "features/b.yaml:12: decisions without a window; give one",
        "features/b.yaml:15: name 'Young'; snake_case",
        "features/b.yaml:16: segments.1.condition: ",
        "features/b.yaml:18: segment 'odd' is declared twice; first at features/b.yaml:17",
    ]
    assert len(faults) == len(starts)
    for fault, start in zip(faults, starts, strict=True):
        assert fault.startswith(start)


def test_faults_between_definitions_are_told_with_their_place(tmp_path: Path) -> None:
    features, faults = load(
        tmp_path,
        events=EVENTS,
        a="""\
        features:
          - {name: age, kind: attribute, type: number, description: age}
        segments:
          - name: young
            description: young
            condition: customer.agee < 30.0
        """,
    )
    assert features is None
    assert len(faults) == 1
    assert faults[0].startswith("features/a.yaml:6: condition, line 1, column 1: unknown name")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("features: [", "not readable as YAML"),
        ("features: 3", "features is no list"),
        ("features: [7]", "a feature without kind"),
        ("segments: {a: b}", "segments is no list"),
        ("- x", "found list"),
        ("", "found NoneType"),
    ],
)
def test_what_is_no_definition_file_is_said_so(tmp_path: Path, text: str, found: str) -> None:
    features, faults = load(tmp_path, a=text)
    assert features is None
    assert re.match(r"features/a.yaml:[12]: ", faults[0])
    assert found in faults[0]


def test_a_folder_without_files_is_a_fault(tmp_path: Path) -> None:
    features, faults = load(tmp_path)
    assert features is None
    assert faults == ["features:1: no feature files; *.yaml with a features: list"]


def test_the_same_event_twice_is_a_fault(tmp_path: Path) -> None:
    features, faults = load(tmp_path, a=EVENTS, b=EVENTS)
    assert features is None
    assert faults == [
        "features/b.yaml:3: event 'buy' is declared twice; first at features/a.yaml:3"
    ]
