"""Slots filled in from a feature row: typed, escaped, bounded, the same for the same record."""

from __future__ import annotations

import html
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.catalog.rendering import CompiledSlots, TemplateNames, compile_slots
from nba.domain.catalog import Action, Content, Direction, Placement, Slot, SlotType
from nba.domain.ids import ActionId, ContentId, PlacementId
from nba.errors import DefinitionError
from nba.expressions import Level, Symbol, ValueType

TIERS = ("none", "gold & more", "<b>silver")
SCHEMA = {
    symbol.path: symbol
    for symbol in (
        Symbol("customer.points", ValueType.NUMBER, Level.SITUATION, 0),
        Symbol("customer.tier", ValueType.STRING, Level.SITUATION, 1, TIERS),
        Symbol("segment.loyal", ValueType.BOOL, Level.SITUATION, 2),
        Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 3),
        Symbol("customer.likes[faith]", ValueType.BOOL, Level.SITUATION, 4),
        Symbol("segment.old", ValueType.BOOL, Level.SITUATION, 5),
        Symbol("action.value", ValueType.NUMBER, Level.CANDIDATE, 0),
    )
}
NAMES = TemplateNames(SCHEMA, frozenset({"age", "likes", "segment_old"}))
ACTION = Action(id=ActionId("coat"), name="Coat & hat")
MISSING = np.full(6, np.nan, dtype=np.float32)


def compiled(text: str, slot: Slot | None = None, **more: str) -> CompiledSlots | None:
    slot = slot or Slot()
    placement = Placement(
        id=PlacementId("web.hero"),
        channel="web",
        direction=Direction.INBOUND,
        slots={"title": slot, **{name: Slot() for name in more}},
    )
    content = Content(
        id=ContentId("coat.en"),
        action=ActionId("coat"),
        group="coats",
        placements=(placement.id,),
        locale="en",
        slots={"title": text, **more, "elsewhere": "{{ x }}"},
    )
    return compile_slots(content, ACTION, placement, NAMES)


def said(text: str, slot: Slot | None = None, **row: float) -> str:
    found = compiled(text, slot)
    assert found is not None
    values = MISSING.copy()
    for name, value in row.items():
        values[{"points": 0, "tier": 1, "loyal": 2}[name]] = value
    return found.render(values, "00518bcfe5680000000000ff")["title"]


def test_content_without_templates_costs_nothing() -> None:
    assert compiled("A coat") is None


def test_every_slot_the_placement_shows_is_given_and_no_other() -> None:
    found = compiled("{{ action.id }}", body="plain")
    assert found is not None
    assert found.render(MISSING, "") == {"title": "coat", "body": "plain"}


def test_numbers_are_written_in_the_fewest_digits_or_as_many_decimals_as_asked() -> None:
    assert said("{{ customer.points | default: 'no' }}", points=12.3) == "12.3"
    assert said("{{ customer.points | default: 'no' }}", points=1e9) == "1000000000"
    assert said("{{ customer.points | round: 2 | default: 'no' }}", points=12.5) == "12.50"
    assert said("{{ customer.points | round: 0 | default: 'no' }}", points=12.4) == "12"


def test_what_is_missing_is_its_default() -> None:
    assert said("{{ customer.points | default: 'no' }} points") == "no points"
    assert said("{{ customer.points | default: 'no' }}", points=np.inf) == "no"
    assert said("{{ customer.tier | default: 'you' }}") == "you"
    assert said("{{ segment.loyal | words: true: 'Y', false: 'N' | default: '?' }}") == "?"


def test_words_and_their_case_are_written_as_asked() -> None:
    text = (
        "{{ customer.tier | words: none: 'friend', 'gold & more': 'gold' | upcase | default: '' }}"
    )
    assert said(text, tier=0) == "FRIEND"
    assert said(text, tier=1) == "GOLD"
    assert said(text, tier=2) == ""
    assert said("{{ segment.loyal | words: true: 'Y', false: 'N' | default: '?' }}", loyal=1) == "Y"
    assert said("{{ customer.tier | capitalize | default: '' }}", tier=0) == "None"


def test_the_catalog_and_the_decision_may_be_named() -> None:
    text = "{{ action.name }}/{{ content.id }}/{{ content.group }}/{{ content.locale }}"
    assert said(text) == "Coat & hat/coat.en/coats/en"
    assert said("{{ placement.id }} {{ placement.channel }}") == "web.hero web"
    assert said("{{ decision.id }}") == "00518bcfe5680000000000ff"


def test_values_are_escaped_as_the_slot_is_typed() -> None:
    text = "{{ customer.tier | default: '<i>' }}"
    assert said(text, Slot(type=SlotType.HTML), tier=2) == "&lt;b&gt;silver"
    assert said(text, Slot(type=SlotType.HTML)) == "&lt;i&gt;"
    assert said(text, tier=2) == "<b>silver"
    link = "https://a.example/?t={{ customer.tier | default: '-' }}&n={{ action.name }}"
    expected = "https://a.example/?t=gold%20%26%20more&n=Coat%20%26%20hat"
    assert said(link, Slot(type=SlotType.URL), tier=1) == expected


def test_a_text_that_would_be_too_long_is_written_as_if_all_were_missing() -> None:
    slot = Slot(max_length=10)
    text = "{{ customer.points | default: 'no' }} {{ customer.tier | default: 'x' }}"
    assert said(text, slot, points=7, tier=0) == "7 none"
    assert said(text, slot, points=7, tier=1) == "no x"


REFUSED = [
    ("{{ customer.pionts }}", Slot(),
     "column 1: 'customer.pionts' is not known; did you mean 'customer.points'?"),
    ("{{ action.value | default: 1 }}", Slot(), ("column 1: 'action.value' is not known; "
     "did you mean 'action.name'?")),
    ("Hi {{ customer.age | default: 1 }}", Slot(),
     "column 4: 'customer.age' is sensitive; leave it out: what is sensitive is never shown"),
    ("{{ customer.likes[faith] | default: 1 }}", Slot(), ("column 1: 'customer.likes[faith]' "
     "is sensitive; leave it out: what is sensitive is never shown")),
    ("{{ segment.old | default: 1 }}", Slot(),
     "column 1: 'segment.old' is sensitive; leave it out: what is sensitive is never shown"),
    ("{{ customer.points }}", Slot(), ("column 1: 'customer.points' may be missing; "
     'say what stands there then: | default: "…"')),
    ("{{ customer.points | upcase | default: '' }}", Slot(),
     "column 1: upcase: 'customer.points' is a number; round, or nothing"),
    ("{{ customer.tier | round: 1 | default: '' }}", Slot(),
     "column 1: round: 'customer.tier' is a string; words, a case, or nothing"),
    ("{{ action.id | round: 1 }}", Slot(), "column 1: round: 'action.id' is a text; leave it out"),
    ("{{ segment.loyal | default: '' }}", Slot(), ("column 1: 'segment.loyal' is true or false; "
     'say both in words: | words: true: "…", false: "…"')),
    ("{{ customer.tier | words: god: 'G' | default: '' }}", Slot(), ("column 1: words: 'god' is no "
     "value of 'customer.tier'; known: <b>silver, gold & more, none")),
    ("{{ customer.tier | default: 0 }}", Slot(type=SlotType.NUMBER),
     "column 1: 'customer.tier' is a string; the slot takes a number"),
    ("{{ customer.points | default: 'none' }}", Slot(type=SlotType.NUMBER),
     "column 1: default: 'none'; the slot takes a number"),
    ("Dear {{ customer.points | default: 'friend' }}", Slot(max_length=9), ("column 1: 11 "
     "characters where every value is missing; at most 9: shorten it, or its defaults")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "slot", "expected"), REFUSED)
def test_what_does_not_fit_is_refused_with_its_place(text: str, slot: Slot, expected: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compiled(text, slot)
    assert str(refused.value) == f"content/coat.en/slots/title: {expected}"


@given(
    st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=6, max_size=6),
    st.integers(0, 60),
)
def test_whatever_the_row_holds_the_text_is_bounded_and_no_markup_comes_of_it(
    row: list[float], bound: int
) -> None:
    text = (
        "{{ customer.points | default: '<x>' }}{{ customer.tier | default: '<x>' }}"
        "{{ segment.loyal | words: true: '<y>', false: '<n>' | default: '<x>' }}"
    )
    values = np.array(row, dtype=np.float32)
    longest = 3 * len(html.escape("<x>"))
    slot = Slot(type=SlotType.HTML, max_length=longest + bound)
    first, again = compiled(text, slot), compiled(text, slot)
    assert first is not None
    assert again is not None
    filled = first.render(values, "")["title"]
    assert len(filled) <= longest + bound
    assert "<" not in filled
    assert again.render(values.copy(), "")["title"] == filled


@given(st.text(max_size=20))
def test_a_default_comes_back_whole_from_an_address(default: str) -> None:
    if '"' in default:
        return
    text = f'https://a.example/?q={{{{ customer.tier | default: "{default}" }}}}'
    filled = said(text, Slot(type=SlotType.URL))
    assert unquote(filled.partition("=")[2]) == default
