"""Contact history: when which action was chosen in which placement, packed for one read.

Layout, little-endian: ``<II`` version and ``complete_since_s``, then 12 bytes a contact: ``<III``
seconds since the epoch, :func:`~nba.domain.ids.hash32` of the action, and of the placement.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

MAX_CONTACTS = 1_000
"""Contacts kept for one customer; where older ones were dropped, ``complete_since_s`` says so."""

_HEADER = struct.Struct("<II")
_CONTACT_BYTES = 12
_CONTACT_FIELDS = 3


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """Contacts of one customer, oldest first; arrays of shape ``(n_contacts,)``.

    ``complete_since_s`` is 0 where nothing was ever dropped; a policy that must look further back
    than it does not know the count, and treats it as missing.
    """

    at_s: NDArray[np.int64]
    actions: NDArray[np.uint32]
    placements: NDArray[np.uint32]
    complete_since_s: int = 0
    version: int = 0

    def extended(
        self, contacts: Iterable[tuple[int, int, int]], *, keep_since_s: int
    ) -> ContactHistory:
        """Return the history with contacts ``(at_s, action, placement)`` added.

        Contacts older than ``keep_since_s``, which no policy looks at, are dropped, and beyond
        ``MAX_CONTACTS`` the oldest; ``complete_since_s`` moves up to say so, since a policy
        published later may look further back.
        """
        added = np.array(list(contacts), dtype=np.int64).reshape(-1, _CONTACT_FIELDS)
        table = np.column_stack([self.at_s, self.actions, self.placements]).astype(np.int64)
        kept = table[table[:, 0] >= keep_since_s]
        since = self.complete_since_s
        if len(kept) < len(table):
            since = max(since, keep_since_s)
        table = np.concatenate([kept, added])
        if len(table) > MAX_CONTACTS:
            since = max(since, int(table[-MAX_CONTACTS - 1, 0]) + 1)
            table = table[-MAX_CONTACTS:]
        return _from_table(table, since, self.version + 1)

    def to_bytes(self) -> bytes:
        """Pack."""
        table = np.column_stack([self.at_s, self.actions, self.placements]).astype("<u4")
        return _HEADER.pack(self.version, self.complete_since_s) + table.tobytes()


def _from_table(table: NDArray[np.int64], since_s: int, version: int) -> ContactHistory:
    return ContactHistory(
        at_s=table[:, 0].astype(np.int64),
        actions=table[:, 1].astype(np.uint32),
        placements=table[:, 2].astype(np.uint32),
        complete_since_s=since_s,
        version=version,
    )


EMPTY_HISTORY = _from_table(np.zeros((0, _CONTACT_FIELDS), dtype=np.int64), 0, 0)
"""No contacts yet."""


def unpack_history(packed: bytes | None) -> ContactHistory:
    """Unpack; ``None`` is a customer never contacted. Raises :class:`CorruptRecordError`."""
    if not packed:
        return EMPTY_HISTORY
    if len(packed) < _HEADER.size or (len(packed) - _HEADER.size) % _CONTACT_BYTES:
        raise CorruptRecordError(f"contact history of {len(packed)} bytes is cut")
    version, since_s = _HEADER.unpack_from(packed)
    table = np.frombuffer(packed, dtype="<u4", offset=_HEADER.size).reshape(-1, _CONTACT_FIELDS)
    return _from_table(table.astype(np.int64), since_s, version)
