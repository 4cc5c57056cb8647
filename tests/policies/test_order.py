"""The order of evaluation and the table of message classes."""

from __future__ import annotations

import pytest

from nba.domain.catalog import Action, MessageClass
from nba.domain.ids import ActionId
from nba.domain.policy import Selector
from nba.policies import CONCERNS, KINDS, ORDER, SHAPERS, Concern
from nba.policies import order as order_module
from nba.policies.order import concerns


def _action(message_class: MessageClass) -> Action:
    return Action(id=ActionId("a"), name="A", message_class=message_class)


def test_order_holds_every_kind_once() -> None:
    assert sorted((*ORDER, *SHAPERS)) == sorted({*KINDS, "validity"})


def test_order_is_stated_in_words_at_the_top_of_the_file() -> None:
    stated = order_module.__doc__ or ""
    places = [stated.index(f"{place}. ``{kind}``") for place, kind in enumerate(ORDER, start=1)]
    assert places == sorted(places)


def test_table_says_something_of_every_kind_and_message_class() -> None:
    assert set(CONCERNS) == {*KINDS, "validity"}
    assert all(set(row) == set(MessageClass) for row in CONCERNS.values())


def test_promotions_pass_every_guardrail() -> None:
    assert all(row[MessageClass.PROMOTIONAL] is Concern.ALWAYS for row in CONCERNS.values())


def test_mandatory_messages_have_only_to_be_allowed_and_to_fit() -> None:
    row = {kind: by_class[MessageClass.MANDATORY] for kind, by_class in CONCERNS.items()}
    concerned = {kind for kind, concern in row.items() if concern is not Concern.NEVER}
    assert concerned == {"validity", "eligibility", "applicability", "rotation"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(), False),
        (Selector(channels=("email",)), False),
        (Selector(actions=("a",)), True),
        (Selector(message_classes=("transactional",)), True),
    ],
)
def test_cap_holds_back_a_transactional_message_only_where_it_is_named(
    selector: Selector, *, expected: bool
) -> None:
    assert concerns("contact_cap", selector, _action(MessageClass.TRANSACTIONAL)) is expected


def test_naming_does_not_bring_back_what_never_concerns() -> None:
    selector = Selector(actions=("a",), message_classes=("mandatory",))
    assert not concerns("contact_cap", selector, _action(MessageClass.MANDATORY))
