"""Definition files: what is right loads, what is wrong is named with file and line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from nba.errors import Fault
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
          - name: spend_30d
            kind: aggregate
            type: number
            description: spent
            event: buy
            function: sum
            property: amount
            window: 30d
            where: properties.category == "home"
        """,
        b="""
        features:
          - {name: device, kind: context, type: enum, values: [web, app], description: device}
          - {name: branch, kind: action, source: "action.term:product@1", description: branch}
        """,
    )
    assert faults == []
    assert features.names == ("age", "spend_30d", "device")  # type: ignore[attr-defined]
    assert features.categories == {"device": ("web", "app")}  # type: ignore[attr-defined]


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
          - {name: x, kind: derived, description: x}
          - {name: y, description: y}
          - {name: z, kind: attribute, type: numeric, description: z}
          - {name: w, kind: attribute, type: bool, descripton: w}
        policies: []
        """,
    )
    assert features is None
    starts = [
        "features/b.yaml:7: unknown key 'policies'; one of: features, events",
        "features/a.yaml:2: name 'Age'; snake_case",
        "features/a.yaml:12: window '20y'; 1h to 365d",
        "features/a.yaml:11: property 'category' is a string; number properties of 'buy': amount",
        "features/a.yaml:13: where, line 1, column",
        "features/a.yaml:14: an enum without values; list its values",
        "features/a.yaml:20: 'produkt' is no dimension of the taxonomy; one of product",
        "features/b.yaml:2: feature 'tier' is declared twice; first at features/a.yaml:14",
        "features/b.yaml:3: kind 'derived'; one of: attribute, aggregate, context, action",
        "features/b.yaml:4: a feature without kind; one of",
        "features/b.yaml:5: features.3.type: ",
        "features/b.yaml:6: features.4.description: ",
        "features/b.yaml:6: features.4.descripton: ",
    ]
    assert len(faults) == len(starts)
    for fault, start in zip(faults, starts, strict=True):
        assert fault.startswith(start)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("features: [", "not readable as YAML"),
        ("features: 3", "features is no list"),
        ("features: [7]", "a feature without kind"),
        ("- x", "found list"),
        ("", "found NoneType"),
    ],
)
def test_what_is_no_definition_file_is_said_so(tmp_path: Path, text: str, found: str) -> None:
    features, faults = load(tmp_path, a=text)
    assert features is None
    assert faults[0].startswith("features/a.yaml:1: ")
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
