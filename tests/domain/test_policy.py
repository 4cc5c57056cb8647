"""Selectors: which pairs of action and placement they select, against the sentence they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.domain.catalog import Action, Direction, MessageClass, Placement
from nba.domain.ids import NO_ACTION, ActionId, PlacementId, Term
from nba.domain.policy import Selector

CARD = Action(
    id=ActionId("card"), name="card", terms=(Term("product:credit/card"), Term("journey:grow"))
)
PARCEL = Action(
    id=ActionId("parcel"),
    name="parcel",
    terms=(Term("product:service"),),
    message_class=MessageClass.TRANSACTIONAL,
)
NOTHING = Action(id=NO_ACTION, name="nothing", terms=(Term("product:service"),))
EMAIL = Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND)
WEB = Placement(id=PlacementId("web.hero"), channel="web", direction=Direction.INBOUND)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (Selector(), {"card/email", "card/web", "parcel/email", "parcel/web"}),
        (Selector(actions=("card",)), {"card/email", "card/web"}),
        (Selector(terms=("product:credit",)), {"card/email", "card/web"}),
        (Selector(terms=("product:cred",)), set()),
        (
            Selector(terms=("product:service", "journey:grow"), channels=("web",)),
            {
                "card/web",
                "parcel/web",
            },
        ),
        (Selector(directions=("outbound",), message_classes=("promotional",)), {"card/email"}),
        (Selector(placements=("web.hero",), except_actions=("card",)), {"parcel/web"}),
        (Selector(except_terms=("product:service",)), {"card/email", "card/web"}),
        (Selector(actions=("no_action",)), set()),
    ],
)
def test_a_selector_selects_what_it_says(selector, selected):
    pairs = {
        f"{action.id}/{placement.channel}"
        for action in (CARD, PARCEL, NOTHING)
        for placement in (EMAIL, WEB)
        if selector.matches(action, placement)
    }
    assert pairs == selected


WORDS = {
    "actions": ["card", "parcel", "no_action"],
    "terms": ["product", "product:credit", "product:service", "journey:grow"],
    "channels": ["email", "web"],
    "placements": ["email.body", "web.hero"],
    "directions": ["inbound", "outbound"],
    "message_classes": ["promotional", "transactional"],
}


@given(
    st.fixed_dictionaries(
        {
            key: st.lists(st.sampled_from(words), max_size=2).map(tuple)
            for key, words in WORDS.items()
        }
    )
)
def test_more_words_in_a_key_select_more_and_more_keys_select_less(given_words):
    selector = Selector(**given_words)
    for action in (CARD, PARCEL, NOTHING):
        for placement in (EMAIL, WEB):
            alone = [
                Selector(**{key: words}).matches(action, placement)
                for key, words in given_words.items()
                if words
            ]
            assert selector.matches(action, placement) == (not action.is_no_action and all(alone))


def test_nothing_ever_selects_saying_nothing():
    assert not Selector().matches(NOTHING, WEB)
    assert not Selector(terms=("product:service",)).matches(NOTHING, WEB)
