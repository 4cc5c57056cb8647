"""How a row is laid out, and by which definitions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from nba.expressions import ValueType
from nba.features.row import Declared, Row, RowCompiler, value_type


def compiled(make: SimpleNamespace, *definitions: object, catalog: object = None) -> Row:
    declared = Declared.of(definitions, ())
    row, _, _ = RowCompiler(declared, {"buy": make.buy}, catalog).compile()
    return row


def test_definitions_are_sorted_and_ratios_follow_what_they_are_of(make: SimpleNamespace) -> None:
    declared = Declared.of(
        [
            make.ratio("a", "z", "b"),
            make.aggregate("z"),
            make.interaction("y", "click"),
            make.aggregate("g", by="category"),
            make.interaction("h", "click", by="action"),
            make.interaction("d", window="1d"),
            make.attribute("b2"),
            make.attribute("b1"),
            make.cross("c", "g"),
            make.action("l", "action.days_since_launch"),
            make.action("i", "action.id"),
        ],
        [make.segment("t", "true"), make.segment("s", "true")],
    )
    assert [item.name for item in declared.attributes] == ["b1", "b2"]
    assert [item.name for item in declared.values] == ["y", "z", "a"]
    assert sorted(declared.groups) == ["g", "h"]
    assert [item.name for item in declared.decisions] == ["d"]
    assert [item.name for item in declared.crosses] == ["c"]
    assert [item.name for item in declared.launches] == ["l"]
    assert [item.name for item in declared.segments] == ["s", "t"]
    assert len(declared.slots()) == 4


def test_the_order_of_declaration_has_no_say(make: SimpleNamespace) -> None:
    definitions = [
        make.attribute("b"),
        make.attribute("a", "set", values=("x", "y")),
        make.aggregate("n", by="category"),
        make.cross("mine", "n"),
        make.cross("also", "n", "placement.id"),
        make.interaction("seen", window="1d"),
        make.context("basket"),
        make.aggregate("m", window="1d"),
        make.ratio("q", "m", "m"),
    ]
    one = compiled(make, *definitions, catalog=make.catalog)
    other = compiled(make, *reversed(definitions), catalog=make.catalog)
    assert one.names == other.names
    assert one.symbols == other.symbols
    assert one.crosses == other.crosses


def test_crosses_have_a_column_for_each_word_which_no_condition_reads(
    make: SimpleNamespace,
) -> None:
    row = compiled(
        make,
        make.aggregate("n", by="category"),
        make.cross("line", "n", "action.term:product@1"),
        make.cross("where", "n", "placement.id"),
        catalog=make.catalog,
    )
    assert row.names == ["line[credit]", "line[service]", "where[email.body]", "where[web.home]"]
    assert row.crosses == {
        "line": {"credit": 0, "service": 1},
        "where": {"email.body": 2, "web.home": 3},
    }
    assert row.hidden == set(row.names)
    assert row.symbols == {}
    assert compiled(make, make.aggregate("n", by="category"), make.cross("x", "n")).names == []


def test_defaults_stand_in_for_what_is_missing(make: SimpleNamespace) -> None:
    row = compiled(
        make,
        make.attribute("a_enum", "enum", values=("x", "y"), default="y"),
        make.attribute("b_bool", "bool", default=True),
        make.attribute("c_date", "date", default=12.0),
        make.attribute("d_none"),
        make.attribute("e_set", "set", values=("x",)),
        make.aggregate("f_top", "top", property="category", values=("x", "y"), default="y"),
        make.aggregate("g_mean", "mean", property="amount", default=2.0),
        make.aggregate("h_count"),
        make.context("i_bool", "bool", default=False),
    )
    nan = np.nan
    np.testing.assert_equal(row.defaults, [1.0, 1.0, 12.0, nan, nan, 1.0, 2.0, 0.0, 0.0])


def test_what_an_aggregate_gives(make: SimpleNamespace) -> None:
    events = {"buy": make.buy}
    number, flag, word = ValueType.NUMBER, ValueType.BOOL, ValueType.STRING
    cases = [
        (make.aggregate("x", "last", property="amount"), (number, ())),
        (make.aggregate("x", "last", property="gift"), (flag, ())),
        (make.aggregate("x", "first", property="category", values=("a",)), (word, ("a",))),
        (make.aggregate("x", "top", property="category", values=("a",)), (word, ("a",))),
        (make.aggregate("x", "distinct", property="category"), (number, ())),
        (make.aggregate("x", "mean", property="amount"), (number, ())),
    ]
    for feature, expected in cases:
        assert value_type(feature, events) == expected
