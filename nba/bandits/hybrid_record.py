"""The default learner's state as bytes."""

from __future__ import annotations

import msgspec

from nba.errors import CorruptRecordError

FORMAT = 2
"""Version of the bytes; raised with every change to their meaning."""


class HybridRecord(msgspec.Struct, forbid_unknown_fields=True):
    """The state as bytes; ``forests`` and ``memory`` are ``None`` where they were left out."""

    format: int
    online: bytes
    stacker: tuple[bytes, bytes]
    detector: tuple[bytes, int, int]
    refits: int
    forests: bytes | None
    recent: list[str]
    next_refit: int
    since: int
    refitted_at: int
    waiting: list[str]
    rows: dict[str, tuple[int, int]]
    memory: dict[str, bytes] | None


def read_record(data: bytes) -> HybridRecord | None:
    """Return the record, or ``None`` for the bytes of an online part alone.

    Raises :class:`CorruptRecordError` for others.
    """
    try:
        found = msgspec.msgpack.decode(data)
        if isinstance(found, dict) and "online" not in found:
            return None
        if not isinstance(found, dict) or found["format"] != FORMAT:
            raise CorruptRecordError(
                f"the bandit's state is not of format {FORMAT}; rebuild the state from the log"
            )
        return msgspec.convert(found, HybridRecord)
    except (msgspec.MsgspecError, KeyError) as error:
        raise CorruptRecordError(f"the bandit's state cannot be read: {error}") from error
