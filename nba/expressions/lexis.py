"""What is checked on the bare text, in one linear pass, before any grammar sees it.

The grammar's string pattern backtracks without bound on a string that is never closed, and nesting
costs stack; so length, nesting and strings are settled here first. So are characters that a reader
does not see, or that no store can keep.
"""

from __future__ import annotations

import re

from nba.expressions.types import ExpressionError

MAX_LENGTH = 4_096
"""Longest expression, in characters."""

MAX_DEPTH = 32
"""Deepest nesting, of brackets and of the syntax tree."""

MAX_SHOWN = 60
"""Longest text of an expression that an error repeats, in characters."""

_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPES_EXPECTED = "the escapes are \\\\ \\\" \\' \\n \\r \\t"
_TEXT = re.compile(r"[^\\\n\"']+")
_PLAIN = re.compile(r"[^\"'()\[\]{}/]+")
_COMMENT = re.compile(r"//[^\n]*")
# Controls, halves of surrogate pairs, and what turns the direction of the text around it.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def error_at(source: str, position: int, found: str, expected: str) -> ExpressionError:
    """Build the error for a position counted from 0 in the source."""
    before = source[:position]
    line = before.count("\n") + 1
    return ExpressionError(position - before.rfind("\n"), found, expected, line=line)


def shown(text: str) -> str:
    """Return a text as an error repeats it: whole, or its beginning.

    >>> shown("a" * 61)[-3:]
    'aa…'
    """
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def check_text(source: str) -> None:
    """Refuse text too long, too deep, with unseen characters, or with strings not in the subset."""
    if len(source) > MAX_LENGTH:
        found = f"an expression of {len(source):,} characters"
        raise ExpressionError(1, found, f"at most {MAX_LENGTH:,} are accepted")
    if not source.strip():
        raise ExpressionError(1, "an empty expression", "write a condition")
    if unseen := _UNSEEN.search(source):
        found = f"the character U+{ord(unseen[0]):04X}"
        raise error_at(source, unseen.start(), found, "write what can be seen")
    depth = 0
    position = 0
    while position < len(source):
        character = source[position]
        if plain := _PLAIN.match(source, position) or _COMMENT.match(source, position):
            position = plain.end()
            continue
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        if depth > MAX_DEPTH:
            found = f"brackets nested deeper than {MAX_DEPTH}"
            raise error_at(source, position, found, "split the condition into several policies")
        position = _after_string(source, position) if character in "\"'" else position + 1


def _after_string(source: str, start: int) -> int:
    """Return the position behind the string that starts at ``start``."""
    quote = source[start]
    if source.startswith(quote * 3, start):
        raise error_at(source, start, "a triple-quoted string", f"write {quote}text{quote}")
    if start and (source[start - 1].isalnum() or source[start - 1] == "_"):
        raise error_at(
            source, start - 1, "a word right before a string", "raw and byte strings are refused"
        )
    position = start + 1
    while position < len(source):
        character = source[position]
        if text := _TEXT.match(source, position):
            position = text.end()
        elif character == "\\":
            if source[position + 1 : position + 2] not in _ESCAPES:
                found = f"escape {source[position : position + 2]}"
                raise error_at(source, position, found, _ESCAPES_EXPECTED)
            position += 2
        elif character == quote:
            return position + 1
        elif character == "\n":
            break
        else:
            position += 1
    raise error_at(source, start, "a string that is not closed on its line", f"add {quote}")


def string_value(written: str) -> str:
    r"""Return the text of a string literal that passed :func:`check_text`.

    >>> string_value(r"'it\'s'")
    "it's"
    """
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], written[1:-1])
