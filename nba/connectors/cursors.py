"""How far each connector has read, in a file of its own."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import msgspec

from nba.catalog.declarations import Connection


class _Kept(msgspec.Struct):
    cursor: str
    declared: str


class CursorFile:
    """One connector's cursor; it counts only for what was declared of the connector then.

    Where fields, types or locales are mapped otherwise, what was read before is to be read anew.
    """

    def __init__(self, path: Path, connection: Connection) -> None:
        self._path = path
        declared = msgspec.msgpack.encode(connection, order="deterministic")
        self._declared = blake2b(declared, digest_size=16).hexdigest()

    def read(self) -> str | None:
        """Return where to go on; ``None`` where nothing that counts was kept."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return kept.cursor if kept.declared == self._declared else None

    def write(self, cursor: str) -> None:
        """Keep where to go on; what was kept before stays until all of it is written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(_Kept(cursor, self._declared)))
        draft.replace(self._path)
