"""What a slot may hold: the right kind, no longer than allowed, and never a script."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.catalog.slots import MAX_LENGTH, MAX_OUTPUTS, TAGS, slot_problems
from nba.domain.catalog import Slot, SlotType

APP = ("https", "halden")
NO_SCRIPT = "tag 'script' is not allowed; known: a, b, blockquote, br, em, h1, h2, h3, …"


def told(text: str, slot: Slot) -> list[str]:
    return [f"{problem.found}; {problem.expected}" for problem in slot_problems(text, slot)]


RIGHT = [
    (SlotType.TEXT, "I <3 winter; 5 < 6 & so on\nTwo lines"),
    (SlotType.TEXT, "Hello {{ customer.tier | default: 'you' }}"),
    (SlotType.HTML, '<p>Warm <b>and</b> dry.<br/> <a href="https://a.example/?a=1&amp;b=2">A</a></p>'),
    (SlotType.HTML, "Hello {{ customer.tier | default: 'you' }}"),
    (SlotType.URL, "https://shop.example/coat?utm={{ action.id }}"),
    (SlotType.URL, "https://shop.example:8443/ü"),
    (SlotType.IMAGE, "https://cdn.example/a.png"),
    (SlotType.NUMBER, "12.50"),
    (SlotType.NUMBER, "{{ customer.points | default: 0 }}"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), RIGHT)
def test_what_fits_its_slot_is_taken(kind: SlotType, text: str) -> None:
    assert told(text, Slot(type=kind)) == []


WRONG = [
    (SlotType.TEXT, "Hi <b>you</b>", "markup, '<b'; plain text, or a slot of type html"),
    (SlotType.TEXT, "<!-- x", "markup, '<!'; plain text, or a slot of type html"),
    (SlotType.TEXT, "a\x00b", "a control character; text, with line breaks if need be"),
    (SlotType.TEXT, "a\ud800b", "a control character; text, with line breaks if need be"),
    (SlotType.TEXT, '{{ "<script>" }}', "markup, '<s'; plain text, or a slot of type html"),
    (SlotType.HTML, "<script>alert(1)</script>", NO_SCRIPT),
    (SlotType.HTML, '<b onclick="x">b</b>',
     "attribute 'onclick' of <b> is not allowed; known: none"),
    (SlotType.HTML, '<a onclick="x">b</a>',
     "attribute 'onclick' of <a> is not allowed; known: href, rel, target, title"),
    (SlotType.HTML, '<a href="javascript:alert(1)">b</a>',
     "'javascript:alert(1)' has the scheme 'javascript'; https is expected"),
    (SlotType.HTML, '<a href="&#106;avascript:alert(1)">b</a>',
     "'javascript:alert(1)' has the scheme 'javascript'; https is expected"),
    (SlotType.HTML, "<a href=x>b</a>", ("'<a href=x>b</a>' is no tag this reads; "
     '&lt; for the sign, or a tag such as <a href="…">')),
    (SlotType.HTML, "<B>b</B>", ("'<B>b</B>' is no tag this reads; "
     '&lt; for the sign, or a tag such as <a href="…">')),
    (SlotType.HTML, "<b><i>b</b></i>", "</b> closes nothing; close tags in turn"),
    (SlotType.HTML, "<b>b", "<b> is not closed; add </b>"),
    (SlotType.HTML, '<a href="https://a.example/{{ action.id }}">b</a>',
     "a template inside a tag; fill in text between tags only"),
    (SlotType.HTML, '{{ "<script>" }}', NO_SCRIPT),
    (SlotType.URL, "http://shop.example/",
     "'http://shop.example/' has the scheme 'http'; https is expected"),
    (SlotType.URL, "javascript:alert(1)",
     "'javascript:alert(1)' has the scheme 'javascript'; https is expected"),
    (SlotType.URL, " https://shop.example/",
     "' https://shop.example/' holds a space, quote or bracket; encode it"),
    (SlotType.URL, "https://", "'https://' has no host; an address such as https://shop.example/"),
    (SlotType.URL, "https://shop.example@evil.example/",
     "'https://shop.example@evil.example/' names a user; leave out what is before the @"),
    (SlotType.URL, "https://a.example:99999/",
     "'https://a.example:99999/' is no address: Port out of range 0-65535; an address with https"),
    (SlotType.URL, "https://{{ customer.tier }}/",
     "a template in the host of an address; fill in only what follows it"),
    (SlotType.URL, "https://shop.example{{ customer.tier }}/",
     "a template in the host of an address; fill in only what follows it"),
    (SlotType.URL, "{{ customer.tier }}",
     "a template in the host of an address; fill in only what follows it"),
    (SlotType.IMAGE, "halden://a.png",
     "'halden://a.png' has the scheme 'halden'; https is expected"),
    (SlotType.NUMBER, "twelve", "'twelve' is no number; a number such as 12.50"),
    (SlotType.NUMBER, "nan", "'nan' is no number; a number such as 12.50"),
    (SlotType.NUMBER, "1_0", "'1_0' is no number; a number such as 12.50"),
    (SlotType.TEXT, "{{ x", "column 5: an output without an end; close it with }}"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), WRONG)
def test_what_does_not_fit_is_told_once(kind: SlotType, text: str, expected: str) -> None:
    assert told(text, Slot(type=kind)) == [expected]


def test_a_url_may_have_the_schemes_its_slot_allows() -> None:
    slot = Slot(type=SlotType.URL, schemes=APP)
    assert told("halden://product/7", slot) == []
    assert told("fax://7", slot) == ["'fax://7' has the scheme 'fax'; https or halden is expected"]


def test_a_text_has_at_most_as_many_characters_as_its_slot_allows() -> None:
    slot = Slot(max_length=5)
    assert told("größe", slot) == []
    assert told("größer", slot) == ["6 characters; at most 5 are expected"]


def test_a_slot_is_bounded_even_where_nothing_bounds_it() -> None:
    assert told("a" * MAX_LENGTH, Slot()) == []
    assert told("a" * (MAX_LENGTH + 1), Slot()) == ["20001 characters; at most 20000 are expected"]
    many = "{{ action.id }}" * (MAX_OUTPUTS + 1)
    assert told(many, Slot()) == ["51 outputs; at most 50 are expected"]


class Seen(HTMLParser):
    """Another reader of markup: notes every tag and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.addresses += [value or "" for name, value in attrs if name == "href"]


PARTS = st.sampled_from(
    ["<", ">", "/", "a", "b", "p", "script", " ", 'href="', '"', "javascript:", "https://a.example/",
     "onclick=", "<!--", "-->", "&#106;", "\n", "<b>", "</b>", "<a ", "</a>", "<br/>", "x", "'"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=12))
def test_no_markup_that_is_taken_is_read_otherwise_by_another_parser(parts: list[str]) -> None:
    text = "".join(parts)
    if told(text, Slot(type=SlotType.HTML)):
        return
    seen = Seen()
    seen.feed(text)
    assert seen.tags <= TAGS
    assert seen.attributes <= {"href", "title", "rel", "target"}
    assert all(address.startswith("https://") for address in seen.addresses)
