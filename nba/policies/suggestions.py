"""Name what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 10


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word nearest to one that is not known.

    >>> nearest("emial", ["email", "sms"])
    'did you mean email?'
    >>> nearest("fax", ["email", "sms"])
    'known: email, sms'
    """
    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    if close:
        return f"did you mean {close[0]}?"
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"known: {', '.join(words[:_LISTED]) or 'none'}{more}"
