"""What is checked on the bare text, in one linear pass, before any grammar sees it.

The grammar's string pattern backtracks without bound on a string that is never closed, and nesting
costs stack; so length, nesting and strings are settled here first.
"""

from __future__ import annotations

import re

from nba.expressions.types import ExpressionError

MAX_LENGTH = 4_096
"""Longest expression, in characters."""

MAX_DEPTH = 32
"""Deepest nesting, of brackets and of the syntax tree."""

_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPES_EXPECTED = "the escapes are \\\\ \\\" \\' \\n \\r \\t"
_TEXT = re.compile(r"[^\\\n\"']+")
_PLAIN = re.compile(r"[^\"'()\[\]{}]+")


def error_at(source: str, position: int, found: str, expected: str) -> ExpressionError:
    """Build the error for a position counted from 0 in the source."""
    before = source[:position]
    line = before.count("\n") + 1
    return ExpressionError(position - before.rfind("\n"), found, expected, line=line)


def check_text(source: str) -> None:
    """Refuse text too long or nested too deep, and strings outside the subset."""
    if len(source) > MAX_LENGTH:
        found = f"an expression of {len(source):,} characters"
        raise ExpressionError(1, found, f"at most {MAX_LENGTH:,} are accepted")
    if not source.strip():
        raise ExpressionError(1, "an empty expression", "write a condition")
    depth = 0
    position = 0
    while position < len(source):
        character = source[position]
        if plain := _PLAIN.match(source, position):
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
