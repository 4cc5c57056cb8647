"""The port of the online store of profiles: read, change, write if nobody else did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Protocol

from nba.domain.ids import CustomerId
from nba.features.alias_store import AliasStore

LogEntry = tuple[str, bytes]
"""An entry for the ledger's stream: the letter of its type, and its body."""

EVENT_ENTRY = "e"
"""The letter of an event, as the ledger's ``EntryType`` has it."""

UPDATE_ENTRY = "u"
"""The letter of a profile update, likewise."""

SEEN_DAYS = 2
"""Message keys are looked for in the bucket of today and of yesterday: 24 to 48 hours."""

_MESSAGE_KEY_BYTES = 8


def message_key(customer_id: str, message_id: str) -> bytes:
    """Return what a message is remembered by: small, and one customer's never another's."""
    content = f"{customer_id}\x00{message_id}".encode()
    return blake2b(content, digest_size=_MESSAGE_KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A profile to read, and the keys of messages to look for."""

    customer_id: CustomerId
    messages: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class ForUpdate:
    """A profile as it was read, and which of the messages asked about were applied before."""

    profile: bytes | None
    seen: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileWrite:
    """A profile to write, on condition that it is as it was read.

    ``expected`` is the profile it was made from, ``None`` for none; ``messages`` are the keys
    of those applied since, ``log_entries`` go to the ledger's stream.
    """

    customer_id: CustomerId
    expected: bytes | None
    profile: bytes
    messages: Sequence[bytes] = ()
    log_entries: Sequence[LogEntry] = ()


class WriteResult(StrEnum):
    """What became of a write; a stale one changed nothing and is to be tried anew."""

    WRITTEN = "written"
    STALE = "stale"


class ProfileStore(Protocol):
    """Where packed profiles are kept, with the messages applied and the events recorded.

    What is read in the place of a profile may be a mark that leads to another
    (:mod:`nba.domain.alias`).
    """

    @property
    def aliases(self) -> AliasStore:
        """Where aliases of the same profiles are kept."""
        ...

    async def get(self, customer_id: CustomerId) -> bytes | None:
        """Return a packed profile, ``None`` for a customer never seen."""
        ...

    async def read_many(self, wanted: Sequence[Wanted]) -> list[ForUpdate]:
        """Return profiles and which messages were applied, in one round trip.

        A message said not to be applied was not applied to the profile returned with it.
        """
        ...

    async def write_many(self, writes: Sequence[ProfileWrite]) -> list[WriteResult]:
        """Write profiles of different customers, in one round trip.

        Of each, profile, ledger entries and messages together, or nothing: where the stored version
        is not the expected one, or any of the messages was applied meanwhile.
        """
        ...

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget a profile and which aliases it had."""
        ...
