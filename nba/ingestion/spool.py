"""A file's rows on disk, parted by customer, so that each customer's come together.

A file is read once, in its own order, and its rows are dealt into buckets by a hash of the
customer. A bucket fits in memory, and holds all that the file says of its customers: so each is
read and written once, however the file is sorted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO
from zlib import crc32

import msgspec

from nba.domain.alias import Alias
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.ingestion.rows import SOURCE

_FLUSH_AT = 2_000
_SIZE = struct.Struct("<I")
_DONE = "complete"


class SpooledEvent(msgspec.Struct, array_like=True, tag="e"):
    """An event and the number of its row; the message id is empty where the file has none."""

    number: int
    customer_id: str
    name: str
    message_id: str
    at_ms: int
    properties: dict[str, Any]

    def item(self, received_at_ms: int, fallback: str) -> Event:
        """Return the event; ``fallback`` precedes the row's number in the id it lacks."""
        return Event(
            customer_id=CustomerId(self.customer_id),
            name=self.name,
            message_id=self.message_id or f"{fallback}:{self.number}",
            at_ms=self.at_ms,
            received_at_ms=received_at_ms,
            properties=self.properties,
        )


class SpooledUpdate(msgspec.Struct, array_like=True, tag="u"):
    """A profile update and the number of its row."""

    number: int
    customer_id: str
    attributes: dict[str, Any]
    consents: dict[str, dict[str, Consent]]
    time_zone: str | None
    locale: str | None
    audiences: dict[str, bool] = {}

    def item(self, _received_at_ms: int, _fallback: str) -> ProfileUpdate:
        """Return the update."""
        attributes = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.attributes.items()
        }
        return ProfileUpdate(
            customer_id=CustomerId(self.customer_id),
            attributes=attributes,
            consents=self.consents,
            audiences=self.audiences,
            time_zone=self.time_zone,
            locale=self.locale,
            source=SOURCE,
        )


class SpooledAlias(msgspec.Struct, array_like=True, tag="a"):
    """An alias and the number of its row."""

    number: int
    previous_id: str
    customer_id: str

    def item(self, _received_at_ms: int, _fallback: str) -> Alias:
        """Return the alias."""
        return Alias(CustomerId(self.previous_id), CustomerId(self.customer_id))


Spooled = SpooledEvent | SpooledUpdate | SpooledAlias
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Spooled]).decode


def spooled(number: int, item: Event | ProfileUpdate | Alias) -> Spooled:
    """Return an item as it is kept on disk."""
    match item:
        case Event():
            return SpooledEvent(
                number, item.customer_id, item.name, item.message_id, item.at_ms, _dict(item)
            )
        case ProfileUpdate():
            consents = {channel: dict(purposes) for channel, purposes in item.consents.items()}
            attributes = dict(item.attributes)
            return SpooledUpdate(
                number,
                item.customer_id,
                attributes,
                consents,
                item.time_zone,
                item.locale,
                dict(item.audiences),
            )
        case Alias():
            return SpooledAlias(number, item.previous_id, item.customer_id)


def _dict(event: Event) -> dict[str, Any]:
    properties: Mapping[str, Any] = event.properties
    return properties if isinstance(properties, dict) else dict(properties)


class Spool:
    """A folder with a file for each bucket.

    The last bucket holds the aliases, which concern customers of any other.
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder = folder
        self.buckets = buckets + 1

    @property
    def is_complete(self) -> bool:
        """Whether everything was dealt out before."""
        return (self._folder / _DONE).is_file()

    def deal(self, rows: Iterable[Spooled]) -> int:
        """Deal rows out, from the beginning; return how many there were."""
        self.remove()
        self._folder.mkdir(parents=True)
        waiting: list[list[Spooled]] = [[] for _ in range(self.buckets)]
        files: dict[int, BinaryIO] = {}
        count = 0
        try:
            for row in rows:
                count += 1
                bucket = self._bucket(row)
                waiting[bucket].append(row)
                if len(waiting[bucket]) == _FLUSH_AT:
                    self._write(files, bucket, waiting[bucket])
            for bucket, left in enumerate(waiting):
                self._write(files, bucket, left)
        finally:
            for file in files.values():
                file.close()
        (self._folder / _DONE).write_text(str(count), encoding="utf-8")
        return count

    def count(self) -> int:
        """Return how many rows were dealt out."""
        return int((self._folder / _DONE).read_text(encoding="utf-8"))

    def read(self, bucket: int) -> list[Spooled]:
        """Return a bucket's rows in the order of the file, those of one customer together."""
        by_customer: dict[str, list[Spooled]] = {}
        for row in self._rows(bucket):
            by_customer.setdefault(row.customer_id, []).append(row)
        return [row for rows in by_customer.values() for row in rows]

    def remove(self) -> None:
        """Remove everything."""
        if self._folder.exists():
            rmtree(self._folder)

    def _rows(self, bucket: int) -> Iterator[Spooled]:
        path = self._path(bucket)
        if not path.exists():
            return
        with path.open("rb") as file:
            while head := file.read(_SIZE.size):
                yield from _decode(file.read(_SIZE.unpack(head)[0]))

    def _bucket(self, row: Spooled) -> int:
        if isinstance(row, SpooledAlias):
            return self.buckets - 1
        return crc32(row.customer_id.encode("utf-8", "surrogatepass")) % (self.buckets - 1)

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket:05d}"

    def _write(self, files: dict[int, BinaryIO], bucket: int, rows: list[Spooled]) -> None:
        if not rows:
            return
        if bucket not in files:
            files[bucket] = self._path(bucket).open("wb")
        packed = _encode(rows)
        files[bucket].write(_SIZE.pack(len(packed)) + packed)
        rows.clear()
