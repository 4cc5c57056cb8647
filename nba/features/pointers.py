"""JSON pointers (RFC 6901), as the places of faults in requests."""

from __future__ import annotations


def pointer(*parts: str) -> str:
    """Return the pointer to a path of names.

    >>> pointer("context", "a/b")
    '/context/a~1b'
    """
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
