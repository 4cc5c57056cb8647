"""Say which known word a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 8


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what would be right: the nearest known word, or the known words.

    >>> nearest("web.home.heor", ["web.home.hero", "email.body"])
    "did you mean 'web.home.hero'?"
    >>> nearest("fax", ["email", "push"])
    'known: email, push'
    """
    words = sorted(known)
    close = get_close_matches(word, words, n=1, cutoff=0.7)
    if close:
        return f"did you mean {close[0]!r}?"
    more = ", …" if len(words) > _LISTED else ""
    return f"known: {', '.join(words[:_LISTED]) or 'none'}{more}"
