"""What can be wrong with a definition: the key it is under, what was found, and what is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong under a key of a definition."""

    key: str
    found: str
    expected: str


def repeated(values: Iterable[str]) -> Iterator[str]:
    """Yield every value that came before.

    >>> list(repeated(["a", "b", "a"]))
    ['a']
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield value
        seen.add(value)
