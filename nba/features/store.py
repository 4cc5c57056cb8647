"""The port of the online store of profiles: read, change, write if nobody else did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nba.domain.ids import CustomerId

LogEntry = tuple[str, bytes]
"""An entry for the ledger's stream: the letter of its type, and its body."""

EVENT_ENTRY = "e"
"""The letter of an event, as the ledger's ``EntryType`` has it."""

UPDATE_ENTRY = "u"
"""The letter of a profile update, likewise."""

SEEN_DAYS = 2
"""Message ids are looked for in the bucket of today and of yesterday: 24 to 48 hours."""


@dataclass(frozen=True, slots=True)
class ForUpdate:
    """A profile as it was read, and which of the messages asked about were applied before."""

    profile: bytes | None
    seen: frozenset[str]


class WriteResult(StrEnum):
    """What became of a write; a stale one changed nothing and is to be tried anew."""

    WRITTEN = "written"
    STALE = "stale"


class ProfileStore(Protocol):
    """Where packed profiles are kept, with the message ids applied and the events recorded."""

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        ...

    async def read_for_update(
        self, customer_id: CustomerId, message_ids: Sequence[str]
    ) -> ForUpdate:
        """Return a packed profile and which messages were applied, in one round trip."""
        ...

    async def write(
        self,
        customer_id: CustomerId,
        *,
        expected_version: int | None,
        profile: bytes,
        log_entries: Sequence[LogEntry],
        message_ids: Sequence[str],
    ) -> WriteResult:
        """Write profile, ledger entries and message ids together, or nothing.

        Nothing is written where the stored version is not ``expected_version`` (``None``: no
        profile), or where any of the messages was applied meanwhile.
        """
        ...

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile."""
        ...
