"""Templates in slots: what a decision knows, put into the text at the moment of the answer.

A text may hold outputs, written as in Liquid: ``{{ customer.loyalty_points | round: 0 | default:
"some" }}``. Inside are a name, or a text in quotes, and filters:

``default: "text"``
    What stands there where the value is missing; demanded of everything that can be. It comes last.
``round: 2``
    That many decimals.
``words: gold: "Gold", silver: "Silber"``
    What each word, or ``true`` and ``false``, is called here.
``upcase``, ``downcase``, ``capitalize``
    The case of a word.

A text in quotes comes out as it is, which is how a channel gets placeholders of its own:
``{{ "{{ first_name }}" }}``. There are no loops, no branches, no calls, and nothing is looked up by
a name that was not declared, so what comes out is bounded and safe by construction.
:mod:`nba.catalog.rendering` gives outputs their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nba.catalog.suggestions import nearest
from nba.errors import NbaError

MAX_DIGITS = 6
"""Most decimals ``round`` gives."""

CASES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "upcase": str.upper,
        "downcase": str.lower,
        "capitalize": lambda text: text[:1].upper() + text[1:],
    }
)
"""Filters that change the case of a word, and how."""

_FILTERS = (*CASES, "default", "round", "words")
_OPEN, _TAG = "{{", "{%"
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"[^"]*"|'[^']*')
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\[[^\]\s]*\])?)
      | (?P<close>\}\})
      | (?P<sign>[|:,])
    )""",
    re.VERBOSE,
)


class TemplateError(NbaError, ValueError):
    """A template is not one, or does not fit what is known; ``column`` counts from 1."""

    def __init__(self, column: int, found: str, expected: str) -> None:
        self.column = column
        self.found = found
        self.expected = expected
        super().__init__(f"column {column}: {found}; {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output of a template: a name and what becomes of its value."""

    name: str
    column: int
    default: str | None = None
    digits: int | None = None
    case: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


Piece = str | Output
"""A part of a template: text that stands there as it is, or an output."""


def has_template(text: str) -> bool:
    """Say whether a text has anything to fill in.

    >>> has_template("Hello {{ customer.tier }}"), has_template("{ braces }")
    (True, False)
    """
    return _OPEN in text or _TAG in text


def parse(text: str) -> tuple[Piece, ...]:
    """Take a text apart; :class:`TemplateError` where it cannot be.

    >>> parse('Hi {{ "{{ name }}" }}!')
    ('Hi ', '{{ name }}', '!')
    """
    pieces: list[Piece] = []
    at = 0
    while (begin := text.find(_OPEN, at)) >= 0:
        _refuse_tags(text, at, begin)
        if begin > at:
            pieces.append(text[at:begin])
        reader = _Reader(text, begin + len(_OPEN))
        pieces.append(_output(reader, begin + 1))
        at = reader.at
    _refuse_tags(text, at, len(text))
    if at < len(text):
        pieces.append(text[at:])
    return tuple(pieces)


def _refuse_tags(text: str, begin: int, end: int) -> None:
    at = text.find(_TAG, begin, end)
    if at >= 0:
        raise TemplateError(at + 1, f"a tag {_TAG}", f"only outputs are known: {_OPEN} name }}}}")


class _Reader:
    """Reads the tokens inside an output."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at
        self.column = at + 1

    def next(self) -> tuple[str, str]:
        """Return the kind and text of the next token, and go past it."""
        match = _TOKEN.match(self._text, self.at)
        if match is None:
            rest = self._text[self.at :].lstrip()
            self.column = len(self._text) - len(rest) + 1
            if not rest:
                raise TemplateError(self.column, "an output without an end", "close it with }}")
            raise TemplateError(self.column, f"found {rest[0]!r}", "a name, a filter, or }}")
        kind = match.lastgroup or ""
        self.column = match.start(kind) + 1
        self.at = match.end()
        return kind, match[kind]

    def argument(self, filter_name: str) -> str:
        """Return a text or number given to a filter."""
        kind, text = self.next()
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return text
        raise TemplateError(self.column, f"{filter_name}: found {text!r}", "a text in quotes")

    def sign(self, wanted: str, after: str) -> None:
        """Go past a sign."""
        _, text = self.next()
        if text != wanted:
            raise TemplateError(self.column, f"found {text!r} after {after}", f"{wanted!r}")


def _output(reader: _Reader, column: int) -> Piece:
    kind, text = reader.next()
    if kind == "text":
        reader.sign("}}", "a text in quotes")
        return text[1:-1]
    if kind != "name":
        raise TemplateError(reader.column, f"found {text!r}", "a name, such as customer.age")
    output = Output(name=text, column=column)
    while True:
        kind, text = reader.next()
        if kind == "close":
            return output
        if text != "|":
            raise TemplateError(reader.column, f"found {text!r}", "a filter after |, or }}")
        if output.default is not None:
            raise TemplateError(reader.column, "a filter after default", "default comes last")
        output = _filtered(output, reader)


def _filtered(output: Output, reader: _Reader) -> Output:
    kind, name = reader.next()
    if kind != "name" or name not in _FILTERS:
        raise TemplateError(reader.column, f"filter {name!r} is not known", nearest(name, _FILTERS))
    if name in CASES:
        return replace(output, case=name)
    reader.sign(":", name)
    if name == "default":
        return replace(output, default=reader.argument(name))
    if name == "words":
        return replace(output, words=dict(_pairs(reader)))
    digits = reader.argument(name)
    if not digits.isdecimal() or int(digits) > MAX_DIGITS:
        raise TemplateError(reader.column, f"round: {digits}", f"0 to {MAX_DIGITS} decimals")
    return replace(output, digits=int(digits))


def _pairs(reader: _Reader) -> Iterator[tuple[str, str]]:
    while True:
        kind, word = reader.next()
        if kind not in {"name", "text", "number"}:
            raise TemplateError(
                reader.column, f"words: found {word!r}", 'word: "what it is called"'
            )
        reader.sign(":", f"the word {word}")
        yield word[1:-1] if kind == "text" else word, reader.argument("words")
        before = reader.at
        if reader.next()[1] != ",":
            reader.at = before
            return
