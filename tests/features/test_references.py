"""What is wrong between definitions each of which is right by itself, and where it is written."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from nba.errors import Fault
from nba.features.loader import load_features

BEFORE = """\
events:
  - name: buy
    description: a purchase
    properties: {amount: number, category: string}
features:
  - {name: age, kind: attribute, type: number, description: age}
  - {name: orders, kind: aggregate, event: buy, function: count, description: orders}
  - {name: by_word, kind: aggregate, event: buy, function: count, by: category, description: by}
  - {name: clicks, kind: interaction, of: click, description: clicks}
  - {name: seen, kind: interaction, of: decision, window: 7d, description: seen}
  - {name: seen_by, kind: interaction, of: decision, window: 7d, by: action, description: seen}
  - {name: basket, kind: context, type: number, description: basket}
  - name: favourite
    kind: aggregate
    event: buy
    function: top
    property: category
    values: [home, kids]
    description: favourite
"""
FIRST_LINE = BEFORE.count("\n") + 1


def faults_of(tmp_path: Path, features: str, segments: str = "") -> list[str]:
    """Return faults; line 1 of ``features`` is :data:`FIRST_LINE` of the file."""
    folder = tmp_path / "features"
    folder.mkdir()
    text = BEFORE + indent(features, "  ")
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    if segments:
        (folder / "b.yaml").write_text("segments:\n" + indent(segments, "  "), encoding="utf-8")
    faults: list[Fault] = []
    loaded = load_features(folder, root=tmp_path, faults=faults)
    assert (loaded is None) == bool(faults)
    return [str(fault) for fault in faults]


def ratio(numerator: str, denominator: str) -> str:
    return f"""\
- name: share
  description: share
  kind: aggregate
  function: ratio
  numerator: {numerator}
  denominator: {denominator}
"""


@pytest.mark.parametrize(
    ("numerator", "denominator", "wrong"),
    [
        ("clicks", "orders", []),
        ("nobody", "orders", ["numerator 'nobody'"]),
        ("orders", "age", ["denominator 'age'"]),
        ("orders", "by_word", ["denominator 'by_word'"]),
        ("share", "orders", ["numerator 'share'"]),
        ("seen", "seen_by", ["numerator 'seen'", "denominator 'seen_by'"]),
        ("favourite", "orders", ["numerator 'favourite'"]),
    ],
)
def test_a_ratio_is_of_numbers_that_the_profile_gives(
    tmp_path: Path, numerator: str, denominator: str, wrong: list[str]
) -> None:
    line = {"numerator": FIRST_LINE + 4, "denominator": FIRST_LINE + 5}
    assert faults_of(tmp_path, ratio(numerator, denominator)) == [
        f"features/a.yaml:{line[text.split()[0]]}: {text} is no such aggregate; "
        "an aggregate of numbers that is neither grouped nor a ratio"
        for text in wrong
    ]


def cross(name: str, of: str) -> str:
    return f"- {{name: {name}, kind: cross, of: {of}, source: action.id, description: x}}\n"


@pytest.mark.parametrize("of", ["nobody", "orders", "age", "seen"])
def test_a_cross_is_of_a_grouped_aggregate(tmp_path: Path, of: str) -> None:
    (fault,) = faults_of(tmp_path, cross("mine", of))
    assert fault == (
        f"features/a.yaml:{FIRST_LINE}: {of!r} is not grouped; "
        "an aggregate or interaction with by: by_word, seen_by"
    )


def test_several_crosses_may_read_one_aggregate_but_not_one_of_decisions(tmp_path: Path) -> None:
    assert faults_of(tmp_path, cross("c1", "by_word") + cross("c2", "by_word")) == []
    (tmp_path / "again").mkdir()
    twice = cross("c1", "seen_by") + cross("c2", "seen_by")
    (fault,) = faults_of(tmp_path / "again", twice)
    assert fault == (
        f"features/a.yaml:{FIRST_LINE + 1}: 'seen_by' is crossed by 'c1' already; "
        "declare another interaction for it"
    )


def derived(name: str, expression: str, type_: str = "number") -> str:
    return f"""\
- name: {name}
  kind: derived
  type: {type_}
  description: {name}
  expression: '{expression}'
"""


def test_derived_features_and_segments_may_read_the_row_and_one_another(tmp_path: Path) -> None:
    features = derived("per_year", "customer.orders / customer.age")
    features += derived("is_often", "customer.per_year > 1.0 || segment.young", "bool")
    features += derived("more", "customer.seen + customer.clicks + request.basket")
    segments = """\
- {name: young, description: y, condition: customer.age < 30.0}
- {name: best, description: b, condition: 'customer.is_often && customer.favourite == "home"'}
"""
    assert faults_of(tmp_path, features, segments) == []


@pytest.mark.parametrize(
    ("expression", "type_", "found"),
    [
        ("customer.nobody + 1.0", "number", "column 1: unknown name customer.nobody"),
        ("customer.age > 1.0", "number", "column 1: the expression is a bool; a number is needed"),
        ("customer.age", "bool", "column 1: "),
        ("customer.age +", "number", "expression, line 1, column"),
        ("action.value + 1.0", "number", "column 1: unknown name action.value"),
        ("customer.by_word + 1.0", "number", "column 1: unknown name customer.by_word"),
        ("properties.amount", "number", "column 1: unknown name properties.amount"),
    ],
)
def test_a_wrong_expression_is_named_with_its_line_and_column(
    tmp_path: Path, expression: str, type_: str, found: str
) -> None:
    (fault,) = faults_of(tmp_path, derived("x", expression, type_))
    assert fault.startswith(f"features/a.yaml:{FIRST_LINE + 4}: expression, line 1, column ")
    assert found in fault


def test_a_wrong_condition_of_a_segment_is_named(tmp_path: Path) -> None:
    segments = "- name: young\n  description: y\n  condition: customer.agee < 30.0\n"
    (fault,) = faults_of(tmp_path, "", segments)
    assert fault.startswith("features/b.yaml:4: condition, line 1, column 1: unknown name")


def test_a_circle_is_named_wherever_it_is_written(tmp_path: Path) -> None:
    features = derived("d1", "customer.d2 + 1.0") + derived("d2", "segment.s ? 1.0 : 0.0")
    features += derived("d3", "customer.age + 1.0")
    segments = "- name: s\n  description: s\n  condition: customer.d1 > 1.0\n"
    through = "through customer.d1, customer.d2, segment.s; break the circle"
    assert faults_of(tmp_path, features, segments) == [
        f"features/a.yaml:{FIRST_LINE + 4}: customer.d1 is computed from itself, {through}",
        f"features/a.yaml:{FIRST_LINE + 9}: customer.d2 is computed from itself, {through}",
        f"features/b.yaml:4: segment.s is computed from itself, {through}",
    ]


def test_a_wrong_ratio_and_a_wrong_expression_are_told_one_after_the_other(tmp_path: Path) -> None:
    features = ratio("nobody", "orders") + derived("x", "customer.nobody + 1.0")
    (fault,) = faults_of(tmp_path, features)
    assert "numerator 'nobody'" in fault
