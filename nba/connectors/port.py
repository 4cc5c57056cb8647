"""The port to a content management system: what was published there since one last looked.

A connector knows its system's addresses, tokens, pages and limits, and nothing of actions and
placements; :mod:`nba.connectors.mapping` makes contents of what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nba.errors import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One published entry.

    ``fields`` holds by field and locale of the system what the field says: text, a number, true or
    false, a list of them, or anything else as the system gives it. A picture is its address.
    ``revision`` changes whenever the entry is published anew.
    """

    id: str
    kind: str
    revision: str
    fields: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed.

    ``gone`` are the ids of entries that are no longer published, ``broken`` of those that are but
    cannot be read; ``faults`` say why. Where ``is_complete``, whatever else came from the system is
    gone too. ``cursor`` is where to go on next time.
    """

    entries: tuple[Entry, ...]
    gone: frozenset[str]
    broken: frozenset[str]
    cursor: str
    is_complete: bool
    faults: tuple[Fault, ...] = ()


class Connector(Protocol):
    """A content management system that can be asked what changed."""

    def changes(self, cursor: str | None) -> Changes:
        """Return what was published or taken back since a cursor; all there is without one.

        Where the system no longer knows the cursor, all there is is returned.

        Raises :class:`~nba.errors.InputError` where the system refuses the token or knows no such
        space, and :class:`~nba.errors.UnavailableError` where it does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
