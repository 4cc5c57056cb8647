"""What a check of a change finds, and how a check says what it can find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nba.control.lint.subject import Subject


class Severity(StrEnum):
    """How much a finding should stop whoever reads it.

    An error is never meant: what was written cannot do what it is for. A warning may be meant.
    """

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may surprise: ``place`` is ``kind/id/field`` of the object to look at."""

    code: str
    severity: Severity
    place: str
    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class Code:
    """A reason code: how severe it is, what it means in general, and what to do about it."""

    code: str
    severity: Severity
    meaning: str
    fix: str

    def found(self, place: str, sentence: str, fix: str | None = None) -> Finding:
        """Return a finding of this code; ``fix`` says it more exactly than the code can."""
        return Finding(self.code, self.severity, place, sentence, fix or self.fix)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the codes it may find, and what finds them."""

    codes: tuple[Code, ...]
    find: Callable[[Subject], Iterator[Finding]]


def listed(names: list[str], *, most: int = 5) -> str:
    """Return names as a sentence lists them, the first few of many.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
