"""Aliases: one customer under two ids, and what stands where the former id's profile stood.

A former id's profile is replaced by a mark that no profile begins with (layout id, version and
guard version all ones), one byte, 1 once what was kept under the former id is merged, when the
alias was made (``<Q``, ms since the epoch), and the id that goes on, in UTF-8. Whoever reads or
writes a profile on condition of its version so learns of the alias at no cost.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError

ALIAS_MARK = b"\xff" * 12
"""What begins a mark; no layout has this id, and no version gets that far."""

_HEAD = struct.Struct("<?Q")
_HEAD_END = len(ALIAS_MARK) + _HEAD.size


@dataclass(frozen=True, slots=True)
class Alias:
    """Say that a customer known under ``previous_id`` is ``customer_id``, which goes on."""

    previous_id: CustomerId
    customer_id: CustomerId


@dataclass(frozen=True, slots=True)
class Forward:
    """Where a former id leads, since when, and whether all that was kept under it is there."""

    target: CustomerId
    since_ms: int
    merged: bool


def pack_forward(forward: Forward) -> bytes:
    """Return the mark that stands in the profile's place."""
    head = _HEAD.pack(forward.merged, forward.since_ms)
    return ALIAS_MARK + head + forward.target.encode()


def read_forward(packed: bytes | None) -> Forward | None:
    """Return where a stored profile leads, ``None`` where it is a profile, or none.

    Raises :class:`~nba.errors.CorruptRecordError` where a mark is cut.

    >>> read_forward(pack_forward(Forward(CustomerId("anna"), 5, merged=True)))
    Forward(target='anna', since_ms=5, merged=True)
    """
    if packed is None or not packed.startswith(ALIAS_MARK):
        return None
    try:
        merged, since_ms = _HEAD.unpack_from(packed, len(ALIAS_MARK))
        target = CustomerId(packed[_HEAD_END:].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise CorruptRecordError("an alias cannot be read") from error
    if not target:
        raise CorruptRecordError("an alias leads nowhere")
    return Forward(target, since_ms, merged)
