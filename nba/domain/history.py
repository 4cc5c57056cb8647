"""Contact history: what was said to a customer and what came of it, packed for one read.

Layout, little-endian: ``<II`` version and ``complete_since_s``, then 24 bytes an entry: ``<IIIIII``
seconds since the epoch, :func:`~nba.domain.ids.hash32` of action and placement, what the entry is,
a tag, and the code of the content. An entry is

- a contact (``CONTACT``): a choice that was given; its tag is :func:`contact_tag`;
- an outcome (:func:`outcome_code`) of the contact with the same tag, whose action, placement and
  content it repeats;
- an event (:func:`event_code`): something that happened to the customer, with no action.

Outcomes and events are noted only where a policy looks at them. Entries are in order of arrival.
The packed form is the only one: a decision reads columns as views of it and adds a contact by
appending bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.domain.ids import DecisionId, hash32
from nba.errors import CorruptRecordError

MAX_CONTACTS = 1_000
"""Entries kept for one customer; where older ones were dropped, ``complete_since_s`` says so."""

AT_S, ACTION, PLACEMENT, WHAT, TAG, CONTENT = range(6)
"""Columns of :attr:`ContactHistory.table`."""

CONTACT = 0
"""What an entry is that tells of a choice given."""

_HEADER = struct.Struct("<II")
_ENTRY = struct.Struct("<IIIIII")


class Entry(NamedTuple):
    """One entry; codes are :func:`~nba.domain.ids.hash32` of what they stand for."""

    at_s: int
    action: int = 0
    placement: int = 0
    what: int = CONTACT
    tag: int = 0
    content: int = 0

    def pack(self) -> bytes:
        """Return its 24 bytes."""
        return _ENTRY.pack(*self)


def contact_tag(decision_id: DecisionId, choice: int) -> int:
    """Return the tag of a choice's contact and outcomes; unique but for chance in 2**32."""
    return hash32(f"{decision_id}:{choice}")


def outcome_code(kind: str) -> int:
    """Return what an entry is that tells of an outcome of a kind; never ``CONTACT``."""
    return hash32(f"outcome/{kind}") | 1


def event_code(name: str) -> int:
    """Return what an entry is that tells of an event of a name; never ``CONTACT``."""
    return hash32(f"event/{name}") | 1


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """What was said to one customer and what came of it, oldest first, as its packed form.

    ``complete_since_s`` is 0 where nothing was ever dropped; a policy that must look further back
    than it does not know the count, and treats it as missing.
    """

    packed: bytes

    @property
    def version(self) -> int:
        """How often it was written."""
        version: int = _HEADER.unpack_from(self.packed)[0]
        return version

    @property
    def complete_since_s(self) -> int:
        """Since when every contact is there, in seconds since the epoch."""
        since_s: int = _HEADER.unpack_from(self.packed)[1]
        return since_s

    @property
    def table(self) -> NDArray[np.uint32]:
        """Entries as a read-only view, ``(n_entries, 6) uint32``, a column each part."""
        flat = np.frombuffer(self.packed, dtype="<u4", offset=_HEADER.size)
        return flat.reshape(-1, _ENTRY.size // 4)

    @property
    def contacts(self) -> NDArray[np.uint32]:
        """The entries that are contacts, ``(n_contacts, 6) uint32``."""
        table = self.table
        contacts: NDArray[np.uint32] = table[table[:, WHAT] == CONTACT]
        return contacts

    def __len__(self) -> int:
        return (len(self.packed) - _HEADER.size) // _ENTRY.size

    def extended(self, entries: Iterable[tuple[int, ...]], *, keep_since_s: int) -> ContactHistory:
        """Return the history with entries added, each with the parts of :class:`Entry`.

        Entries older than ``keep_since_s``, which no policy looks at, are dropped, and beyond
        ``MAX_CONTACTS`` the oldest; ``complete_since_s`` moves up to say so, since a policy
        published later may look further back.
        """
        kept, since_s = self._kept(keep_since_s)
        body = kept + b"".join(Entry(*entry).pack() for entry in entries)
        surplus = len(body) - MAX_CONTACTS * _ENTRY.size
        if surplus > 0:
            since_s = max(since_s, _ENTRY.unpack_from(body, surplus - _ENTRY.size)[AT_S] + 1)
            body = body[surplus:]
        return ContactHistory(_HEADER.pack(self.version + 1, since_s) + body)

    def united(self, other: ContactHistory) -> ContactHistory:
        """Return the entries of both, oldest first, as one customer's.

        A count over them is never lower than either's, and what either does not know is not known.
        """
        table = np.concatenate([self.table, other.table])
        table = table[np.argsort(table[:, AT_S], kind="stable")]
        since_s = max(self.complete_since_s, other.complete_since_s)
        if len(table) > MAX_CONTACTS:
            surplus = len(table) - MAX_CONTACTS
            since_s = max(since_s, int(table[surplus - 1, AT_S]) + 1)
            table = table[surplus:]
        version = max(self.version, other.version) + 1
        return ContactHistory(_HEADER.pack(version, since_s) + table.astype("<u4").tobytes())

    def _kept(self, keep_since_s: int) -> tuple[bytes, int]:
        since_s = self.complete_since_s
        oldest = _ENTRY.unpack_from(self.packed, _HEADER.size)[AT_S] if len(self) else None
        if oldest is None or oldest >= keep_since_s:
            return self.packed[_HEADER.size :], since_s
        table = self.table
        recent = table[table[:, AT_S] >= max(keep_since_s, 0)]
        return recent.tobytes(), max(since_s, keep_since_s)


def pack_history(
    entries: Sequence[tuple[int, ...]], *, complete_since_s: int = 0, version: int = 0
) -> ContactHistory:
    """Pack entries, each with the parts of :class:`Entry`, oldest first."""
    body = b"".join(Entry(*entry).pack() for entry in entries)
    return ContactHistory(_HEADER.pack(version, complete_since_s) + body)


EMPTY_HISTORY = pack_history([])
"""No contacts yet."""


def unpack_history(packed: bytes | None) -> ContactHistory:
    """Read a stored history; ``None`` is a customer never contacted.

    Raises :class:`CorruptRecordError` where it is cut.
    """
    if not packed:
        return EMPTY_HISTORY
    if len(packed) < _HEADER.size or (len(packed) - _HEADER.size) % _ENTRY.size:
        raise CorruptRecordError(f"contact history of {len(packed)} bytes is cut")
    return ContactHistory(packed)
