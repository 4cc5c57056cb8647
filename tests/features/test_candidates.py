"""What is known of candidates: columns for models, symbols for conditions, one code a word."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nba.domain.catalog import Action, MessageClass
from nba.domain.ids import ActionId, Term
from nba.expressions import Level, ValueType, compile_program, parse
from nba.features import FeatureSet

RECEIPT = Action(
    id=ActionId("receipt"),
    name="receipt",
    terms=(Term("product:service"),),
    message_class=MessageClass.TRANSACTIONAL,
)


@pytest.fixture
def features(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.action("action_id", "action.id"),
            make.action("worth", "action.value"),
            make.action("branch", "action.term:product@1"),
            make.action("line", "action.term:product@2"),
            make.action("channel", "placement.channel"),
        ],
        [],
    )


def test_columns_are_the_declared_features_in_order(
    make: SimpleNamespace, features: FeatureSet
) -> None:
    table = features.candidates([make.nothing, make.card, RECEIPT], make.email)
    assert table.names == ("action_id", "worth", "branch", "line", "channel")
    assert table.categories == {
        "action_id": ("card", "no_action", "receipt"),
        "branch": ("credit", "service"),
        "line": ("credit/card", "service"),
        "channel": ("email",),
    }
    nan = np.nan
    np.testing.assert_array_equal(
        table.columns,
        [[1, 0, nan, nan, 0], [0, 40, 0, 0, 0], [2, 0, 1, 1, 0]],
    )
    assert table.columns.dtype == np.float64


def test_a_schema_of_the_catalog_gives_one_code_a_word_everywhere(
    make: SimpleNamespace, features: FeatureSet
) -> None:
    schema = features.candidate_schema([make.nothing, make.card, RECEIPT], [make.email, make.web])
    email = features.candidates([make.nothing, RECEIPT], make.email, schema=schema)
    web = features.candidates([RECEIPT], make.web, schema=schema)
    assert email.categories == web.categories
    assert email.categories["channel"] == ("email", "web")
    assert email.columns[1].tolist() == [2.0, 0.0, 1.0, 1.0, 0.0]
    assert web.columns[0].tolist() == [2.0, 0.0, 1.0, 1.0, 1.0]


def test_conditions_read_built_in_values_features_and_terms(
    make: SimpleNamespace, features: FeatureSet
) -> None:
    schema = features.candidate_schema([make.nothing, make.card, RECEIPT], [make.email, make.web])
    table = features.candidates([make.nothing, make.card, RECEIPT], make.web, schema=schema)
    conditions = [
        'action.id == "card"',
        "action.value > 1.0 && action.cost < 1.0",
        'action.message_class == "transactional"',
        'action.branch == "credit"',
        '"product:credit" in action.terms',
        '"product:credit/card" in action.terms || "product:service" in action.terms',
        'placement.channel == "web" && placement.direction == "inbound"',
        'placement.id == "email.body"',
    ]
    program = compile_program([parse(text, schema) for text in conditions])
    found = program.run(np.zeros(0), table.symbols)
    assert found.tolist() == [
        [0, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
        [-1, 1, 0],  # no_action is of no branch: unknown
        [0, 1, 0],
        [0, 1, 1],
        [1, 1, 1],
        [0, 0, 0],
    ]


def test_terms_no_action_carries_can_be_asked_for(
    make: SimpleNamespace, features: FeatureSet
) -> None:
    schema = features.candidate_schema([make.card], [make.web], terms=["product:travel"])
    table = features.candidates([make.card], make.web, schema=schema)
    program = compile_program([parse('"product:travel" in action.terms', schema)])
    assert program.run(np.zeros(0), table.symbols).tolist() == [[0]]


def test_schema_columns_are_those_of_the_symbols(
    make: SimpleNamespace, features: FeatureSet
) -> None:
    schema = features.candidate_schema([make.nothing, make.card], [make.web])
    assert sorted(symbol.column for symbol in schema.values()) == list(range(len(schema)))
    assert {symbol.level for symbol in schema.values()} == {Level.CANDIDATE}
    assert schema["action.worth"].type is ValueType.NUMBER
    assert schema["action.line"].values == ("credit/card",)
    assert schema["action.terms[product:credit/card/gold]"].type is ValueType.BOOL
    assert features.candidates([make.nothing, make.card], make.web).symbols.shape == (
        2,
        len(schema),
    )


def test_further_sources_of_candidates(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.action("weight", "action.priority"),
            make.action("is_credit", "action.has_term:product:credit"),
            make.action("is_card", "action.has_term:product:credit/card"),
            make.action("is_car", "action.has_term:product:credit/car"),
            make.action("variants", "content.variants"),
            make.action("cost", "action.cost"),
        ],
        [],
        catalog=make.catalog,
    )
    actions = [make.nothing, make.card, make.loan, make.receipt]
    email, web = (features.candidates(actions, place) for place in (make.email, make.web))
    assert email.names == ("weight", "is_credit", "is_card", "is_car", "variants", "cost")
    assert email.categories == {}
    assert email.columns.tolist() == [
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3.0, 1.0, 1.0, 0.0, 2.0, 0.5],
        [1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]
    assert web.columns[:, 4].tolist() == [0.0, 1.0, 1.0, 0.0]
    assert features.for_catalog(make.catalog).candidates([], make.web).columns.shape == (0, 6)
    schema = features.candidate_schema(actions, [make.email])
    assert schema["action.is_credit"].type is ValueType.BOOL
    program = compile_program(
        [
            parse("action.is_credit && action.priority > 2.0", schema),
            parse("content.variants >= 1.0", schema),
        ]
    )
    found = program.run(np.zeros(0), features.candidates(actions, make.email).symbols)
    assert found.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]


def test_without_a_catalog_there_are_no_contents(make: SimpleNamespace) -> None:
    features = FeatureSet([make.action("variants", "content.variants")], [])
    assert features.candidates([make.card], make.email).columns.tolist() == [[0.0]]


def test_crosses_say_which_column_of_the_row_is_each_candidates(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.aggregate("by", "sum", property="amount", by="category"),
            make.cross("mine", "by"),
            make.cross("line", "by", "action.term:product@1"),
            make.cross("here", "by", "placement.channel"),
            make.action("launched", "action.days_since_launch"),
            make.action("worth", "action.value"),
        ],
        [make.buy],
        catalog=make.catalog,
    )
    assert features.names == (
        *("age", "here[email]", "here[web]", "line[credit]", "line[service]"),
        *("mine[card]", "mine[loan]", "mine[no_action]", "mine[receipt]"),
        "launched[2025-06-01]",
    )
    assert features.candidate_names == ("launched", "worth", "here", "line", "mine")
    unknown = Action(id=ActionId("new"), name="new", terms=(Term("product:new"),))
    actions = [make.nothing, make.card, make.receipt, unknown]
    table = features.candidates(
        actions,
        make.web,
        schema=features.candidate_schema([*make.catalog.actions, unknown], [make.web]),
    )
    assert table.names == ("worth",)
    assert {name: gather.tolist() for name, gather in table.crosses.items()} == {
        "mine": [7, 5, 8, -1],
        "line": [-1, 3, 4, -1],
        "here": [2, 2, 2, 2],
        "launched": [-1, 9, -1, -1],
    }
    events = [
        make.event(amount=amount, category=word)
        for word, amount in (("card", 3.0), ("credit", 5.0), ("web", 7.0))
    ]
    row = features.read(make.played(features, events), at_ms=make.now_ms).features
    days = np.float32(make.now_ms / 86_400_000 - 20_240)
    assert table.values(1, row) == {
        "worth": 40.0,
        "mine": 3.0,
        "line": 5.0,
        "here": 7.0,
        "launched": days,
    }
    nobody = table.values(3, row)
    np.testing.assert_equal(nobody["mine"], np.nan)
    np.testing.assert_equal(nobody["launched"], np.nan)
    nothing = table.values(0, row)
    assert nothing["mine"] == 0.0  # in the catalog, but never of this group
    np.testing.assert_equal(nothing["line"], np.nan)  # of no line at all


def test_a_launch_is_a_feature_but_no_symbol_of_conditions(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.action("launched", "action.days_since_launch")], [], catalog=make.catalog
    )
    schema = features.candidate_schema(make.catalog.actions, make.catalog.placements)
    assert not {"action.launched", "action.days_since_launch"} & schema.keys()
