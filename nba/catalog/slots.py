"""What a slot may hold, by its type: bounded, of the right kind, and never a script.

Markup is not cleaned but refused, with a grammar so narrow that no two browsers read it in two
ways: known tags, attributes in double quotes, every tag closed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple
from urllib.parse import urlsplit

from nba.catalog.suggestions import nearest
from nba.catalog.templating import Output, Piece, TemplateError, parse
from nba.domain.catalog import Slot, SlotType

MAX_LENGTH = 20_000
"""Longest text a slot may hold, in characters."""

MAX_OUTPUTS = 50
"""Most outputs one slot may have."""

REFUSED_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
"""Schemes no slot may allow: they run or read something where they are opened."""

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
"""How a scheme is written."""

TAGS = frozenset(
    {"a", "b", "blockquote", "br", "em", "h1", "h2", "h3", "h4", "i", "li", "ol", "p", "s"}
    | {"small", "span", "strong", "sub", "sup", "u", "ul"}
)
"""Tags an ``html`` slot may hold; ``a`` alone has attributes: href, title, rel and target."""

_ATTRIBUTES = frozenset({"href", "title", "rel", "target"})
_WITHOUT_END = "br"
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_TAG = re.compile(r'<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)(?P<rest>(?:\s+[a-z]+="[^"<>]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_HIERARCHICAL = {"https", "http"}
_FILLED = "x"
_FILLED_NUMBER = "1"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of characters UTF-8 cannot hold."""


class SlotProblem(NamedTuple):
    """What is wrong with a slot, and what would be right."""

    found: str
    expected: str


def slot_problems(text: str, slot: Slot) -> Iterator[SlotProblem]:
    """Yield what is wrong with a text of a slot, whatever its templates may name."""
    if len(text) > MAX_LENGTH:
        yield SlotProblem(f"{len(text)} characters", f"at most {MAX_LENGTH} are expected")
        return
    if _UNPRINTABLE.search(text):
        yield SlotProblem("a control character", "text, with line breaks if need be")
        return
    try:
        pieces = parse(text)
    except TemplateError as error:
        yield SlotProblem(f"column {error.column}: {error.found}", error.expected)
        return
    outputs = sum(isinstance(piece, Output) for piece in pieces)
    if outputs > MAX_OUTPUTS:
        yield SlotProblem(f"{outputs} outputs", f"at most {MAX_OUTPUTS} are expected")
    elif not outputs and 0 < slot.max_length < len("".join(map(str, pieces))):
        yield SlotProblem(f"{len(text)} characters", f"at most {slot.max_length} are expected")
    else:
        yield from _typed(pieces, slot)


def _typed(pieces: tuple[Piece, ...], slot: Slot) -> Iterator[SlotProblem]:
    match slot.type:
        case SlotType.TEXT:
            match = _MARKUP.search(_filled(pieces))
            if match:
                found = f"markup, {match[0]!r}"
                yield SlotProblem(found, "plain text, or a slot of type html")
        case SlotType.HTML:
            yield from _markup_problems(pieces, slot)
        case SlotType.URL:
            yield from _url_problems(pieces, slot.schemes)
        case SlotType.IMAGE:
            yield from _url_problems(pieces, ("https",))
        case SlotType.NUMBER:
            yield from _number_problems(_filled(pieces, _FILLED_NUMBER))


def _filled(pieces: tuple[Piece, ...], value: str = _FILLED) -> str:
    return "".join(piece if isinstance(piece, str) else value for piece in pieces)


def _number_problems(text: str) -> Iterator[SlotProblem]:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or "_" in text:
        yield SlotProblem(f"{text!r} is no number", "a number such as 12.50")


def _url_problems(pieces: tuple[Piece, ...], schemes: tuple[str, ...]) -> Iterator[SlotProblem]:
    before = next((p for p in pieces if isinstance(p, str)), "")
    if not isinstance(pieces[0], str) or (
        len(pieces) > 1 and not re.match(r"[a-z][a-z0-9+.-]*://[^/?#]+[/?#]", before)
    ):
        yield SlotProblem("a template in the host of an address", "fill in only what follows it")
        return
    yield from url_problems(_filled(pieces), schemes)


def url_problems(text: str, schemes: tuple[str, ...]) -> Iterator[SlotProblem]:
    """Yield what is wrong with an address."""
    allowed = " or ".join(schemes)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        yield SlotProblem(f"{text!r} is no address: {error}", f"an address with {allowed}")
        return
    if any(letter.isspace() or letter in '<>"\\' for letter in text):
        yield SlotProblem(f"{text!r} holds a space, quote or bracket", "encode it")
    elif parts.scheme not in schemes:
        yield SlotProblem(f"{text!r} has the scheme {parts.scheme!r}", f"{allowed} is expected")
    elif parts.scheme in _HIERARCHICAL and not parts.hostname:
        yield SlotProblem(f"{text!r} has no host", "an address such as https://shop.example/")
    elif parts.username is not None or parts.password is not None:
        yield SlotProblem(f"{text!r} names a user", "leave out what is before the @")


def _markup_problems(pieces: tuple[Piece, ...], slot: Slot) -> Iterator[SlotProblem]:
    text = ""
    for piece in pieces:
        if isinstance(piece, Output) and text.rfind("<") > text.rfind(">"):
            yield SlotProblem("a template inside a tag", "fill in text between tags only")
            return
        text += piece if isinstance(piece, str) else _FILLED
    open_tags: list[str] = []
    at = 0
    while (begin := text.find("<", at)) >= 0:
        match = _TAG.match(text, begin)
        if match is None:
            found = f"{text[begin : begin + 20]!r} is no tag this reads"
            yield SlotProblem(found, '&lt; for the sign, or a tag such as <a href="…">')
            return
        name = match["name"]
        if name not in TAGS:
            yield SlotProblem(f"tag {name!r} is not allowed", nearest(name, TAGS))
            return
        yield from _attribute_problems(name, match["rest"], slot)
        if match["end"]:
            if not open_tags or open_tags.pop() != name:
                yield SlotProblem(f"</{name}> closes nothing", "close tags in turn")
                return
        elif name != _WITHOUT_END:
            open_tags.append(name)
        at = match.end()
    if open_tags:
        yield SlotProblem(f"<{open_tags[-1]}> is not closed", f"add </{open_tags[-1]}>")


def _attribute_problems(tag: str, rest: str, slot: Slot) -> Iterator[SlotProblem]:
    for name, value in _ATTRIBUTE.findall(rest):
        if tag != "a" or name not in _ATTRIBUTES:
            known = ", ".join(sorted(_ATTRIBUTES)) if tag == "a" else "none"
            yield SlotProblem(f"attribute {name!r} of <{tag}> is not allowed", f"known: {known}")
        elif name == "href":
            yield from url_problems(html.unescape(value), slot.schemes)
