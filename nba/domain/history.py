"""Contact history: when which action was chosen in which placement, packed for one read.

Layout, little-endian: ``<II`` version and ``complete_since_s``, then 12 bytes a contact: ``<III``
seconds since the epoch, :func:`~nba.domain.ids.hash32` of the action, and of the placement. The
packed form is the only one: a decision reads columns as views of it and adds a contact by appending
bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

MAX_CONTACTS = 1_000
"""Contacts kept for one customer; where older ones were dropped, ``complete_since_s`` says so."""

AT_S, ACTION, PLACEMENT = range(3)
"""Columns of :attr:`ContactHistory.table`."""

_HEADER = struct.Struct("<II")
_CONTACT = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """Contacts of one customer, oldest first, as their packed form.

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
        """Contacts as a read-only view, ``(n_contacts, 3) uint32``: time, action, placement."""
        flat = np.frombuffer(self.packed, dtype="<u4", offset=_HEADER.size)
        return flat.reshape(-1, _CONTACT.size // 4)

    def __len__(self) -> int:
        return (len(self.packed) - _HEADER.size) // _CONTACT.size

    def extended(
        self, contacts: Iterable[tuple[int, int, int]], *, keep_since_s: int
    ) -> ContactHistory:
        """Return the history with contacts ``(at_s, action, placement)`` added.

        Contacts older than ``keep_since_s``, which no policy looks at, are dropped, and beyond
        ``MAX_CONTACTS`` the oldest; ``complete_since_s`` moves up to say so, since a policy
        published later may look further back.
        """
        kept, since_s = self._kept(keep_since_s)
        body = kept + b"".join(_CONTACT.pack(*contact) for contact in contacts)
        surplus = len(body) - MAX_CONTACTS * _CONTACT.size
        if surplus > 0:
            since_s = max(since_s, _CONTACT.unpack_from(body, surplus - _CONTACT.size)[AT_S] + 1)
            body = body[surplus:]
        return ContactHistory(_HEADER.pack(self.version + 1, since_s) + body)

    def united(self, other: ContactHistory) -> ContactHistory:
        """Return the contacts of both, oldest first, as one customer's.

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
        oldest = _CONTACT.unpack_from(self.packed, _HEADER.size)[AT_S] if len(self) else None
        if oldest is None or oldest >= keep_since_s:
            return self.packed[_HEADER.size :], since_s
        table = self.table
        recent = table[table[:, AT_S] >= max(keep_since_s, 0)]
        return recent.tobytes(), max(since_s, keep_since_s)


def pack_history(
    contacts: Sequence[tuple[int, int, int]], *, complete_since_s: int = 0, version: int = 0
) -> ContactHistory:
    """Pack contacts ``(at_s, action, placement)``, oldest first."""
    body = b"".join(_CONTACT.pack(*contact) for contact in contacts)
    return ContactHistory(_HEADER.pack(version, complete_since_s) + body)


EMPTY_HISTORY = pack_history([])
"""No contacts yet."""


def unpack_history(packed: bytes | None) -> ContactHistory:
    """Read a stored history; ``None`` is a customer never contacted.

    Raises :class:`CorruptRecordError` where it is cut.
    """
    if not packed:
        return EMPTY_HISTORY
    if len(packed) < _HEADER.size or (len(packed) - _HEADER.size) % _CONTACT.size:
        raise CorruptRecordError(f"contact history of {len(packed)} bytes is cut")
    return ContactHistory(packed)
