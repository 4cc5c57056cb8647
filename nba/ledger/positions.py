"""Positions in the ledger as numbers, so that they compare and fit the log's bookkeeping."""

from __future__ import annotations

START = "0-0"
"""The position before the first entry of a partition."""

NOWHERE = -1
"""How far a writer has come that never wrote."""

_SEQUENCE_BITS = 20


def ordinal(position: str) -> int:
    """Return a ledger position as one number, so that positions compare.

    >>> ordinal("1-0") < ordinal("1-1") < ordinal("2-0")
    True
    """
    milliseconds, _, sequence = position.partition("-")
    return (int(milliseconds) << _SEQUENCE_BITS) | int(sequence or 0)


def position_at(number: int) -> str:
    """Return the position of an ordinal; the start of the ledger for :data:`NOWHERE`.

    >>> position_at(ordinal("1700000000000-3"))
    '1700000000000-3'
    """
    if number == NOWHERE:
        return START
    return f"{number >> _SEQUENCE_BITS}-{number & ((1 << _SEQUENCE_BITS) - 1)}"


def last_before(at_ms: int) -> str:
    """Return the last position that an entry written before a millisecond can have.

    >>> ordinal(last_before(2)) + 1 == ordinal("2-0")
    True
    """
    return position_at((at_ms << _SEQUENCE_BITS) - 1)


def milliseconds(position: str) -> int:
    """Return when an entry was written, in milliseconds since the epoch, by the store's clock.

    >>> milliseconds("1700000000000-3")
    1700000000000
    """
    return int(position.partition("-")[0])


def writer_of(partition: int) -> str:
    """Return the name under which a partition's progress is kept in the log."""
    return f"partition-{partition:03x}"
