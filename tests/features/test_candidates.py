"""What is known of candidates: columns for models, symbols for conditions, one code a word."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nba.domain.catalog import Action, Direction, MessageClass, Placement
from nba.domain.ids import NO_ACTION, ActionId, PlacementId, Term
from nba.expressions import Level, ValueType, compile_program, parse
from nba.features import FeatureSet

EMAIL = Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND)
WEB = Placement(id=PlacementId("web.home"), channel="web", direction=Direction.INBOUND)
NOTHING = Action(id=NO_ACTION, name="say nothing")
CARD = Action(
    id=ActionId("card"),
    name="card",
    terms=(Term("product:credit/card/gold"), Term("journey:onboarding")),
    value=40.0,
    cost=0.5,
)
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


def test_columns_are_the_declared_features_in_order(features: FeatureSet) -> None:
    table = features.candidates([NOTHING, CARD, RECEIPT], EMAIL)
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


def test_a_schema_of_the_catalog_gives_one_code_a_word_everywhere(features: FeatureSet) -> None:
    schema = features.candidate_schema([NOTHING, CARD, RECEIPT], [EMAIL, WEB])
    email = features.candidates([NOTHING, RECEIPT], EMAIL, schema=schema)
    web = features.candidates([RECEIPT], WEB, schema=schema)
    assert email.categories == web.categories
    assert email.categories["channel"] == ("email", "web")
    assert email.columns[1].tolist() == [2.0, 0.0, 1.0, 1.0, 0.0]
    assert web.columns[0].tolist() == [2.0, 0.0, 1.0, 1.0, 1.0]


def test_conditions_read_built_in_values_features_and_terms(features: FeatureSet) -> None:
    schema = features.candidate_schema([NOTHING, CARD, RECEIPT], [EMAIL, WEB])
    table = features.candidates([NOTHING, CARD, RECEIPT], WEB, schema=schema)
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


def test_terms_no_action_carries_can_be_asked_for(features: FeatureSet) -> None:
    schema = features.candidate_schema([CARD], [WEB], terms=["product:travel"])
    table = features.candidates([CARD], WEB, schema=schema)
    program = compile_program([parse('"product:travel" in action.terms', schema)])
    assert program.run(np.zeros(0), table.symbols).tolist() == [[0]]


def test_schema_columns_are_those_of_the_symbols(features: FeatureSet) -> None:
    schema = features.candidate_schema([NOTHING, CARD], [WEB])
    assert sorted(symbol.column for symbol in schema.values()) == list(range(len(schema)))
    assert {symbol.level for symbol in schema.values()} == {Level.CANDIDATE}
    assert schema["action.worth"].type is ValueType.NUMBER
    assert schema["action.line"].values == ("credit/card",)
    assert schema["action.terms[product:credit/card/gold]"].type is ValueType.BOOL
    assert features.candidates([NOTHING, CARD], WEB).symbols.shape == (2, len(schema))
