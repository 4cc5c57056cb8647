"""From a file's lines to items: tables by their columns, JSON lines by theirs or as Segment's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nba.domain.alias import Alias
from nba.domain.customer import Event, ProfileUpdate
from nba.errors import DefinitionError, Fault, InputError
from nba.features import FeatureSet
from nba.ingestion.columns import Columns, FileMapping, Kind, columns_of
from nba.ingestion.files import open_source
from nba.ingestion.rows import RowReader
from nba.ingestion.segment import Envelope, as_sent, read_message

_NESTED = ("properties", "attributes", "consents", "audiences")
_TYPE = "type"
_SEGMENT_IDS = frozenset({"userId", "anonymousId", "previousId"})

Item = Event | ProfileUpdate | Alias


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that is wrong: its number and its faults, with pointers into the row."""

    number: int
    faults: tuple[Fault, ...]


class ItemReader:
    """Reads one file.

    Parameters
    ----------
    path
        CSV, Parquet or JSONL, by the end of its name; CSV and JSONL plain or gzipped.
    features
        Says of which type a text is.
    kind, mapping
        What its rows are, and which column is which, where the names do not say so.

    ``rows`` is about how many rows there are. Raises :class:`~nba.errors.DefinitionError` where the
    file cannot be read at all.

    """

    def __init__(
        self,
        path: Path,
        features: FeatureSet,
        *,
        kind: Kind | None = None,
        mapping: FileMapping | None = None,
    ) -> None:
        self._name = path.name
        self._features = features
        self._kind = kind
        self._mapping = mapping
        self._source = open_source(path)
        self.rows = self._source.rows
        self._readers: dict[tuple[str, ...], RowReader] = {}
        self._table: RowReader | None = None
        if self._source.names is not None:
            place = f"{path.name}:1" if self._source.is_text else path.name
            try:
                self._table = self._reader(self._source.names, place)
            except DefinitionError:
                self._source.close()
                raise

    def items(self, *, received_at_ms: int) -> Iterator[tuple[int, Item] | Wrong]:
        """Iterate over the rows: number and item, or what is wrong."""
        read: Callable[[Any, int], Item] = self._object
        table = self._table
        if table is not None:

            def read(content: Any, received_at_ms: int) -> Item:
                return table.read(content, received_at_ms=received_at_ms)

        for line in self._source:
            if line.faults:
                yield Wrong(line.number, line.faults)
                continue
            try:
                yield line.number, read(line.content, received_at_ms)
            except InputError as error:
                yield Wrong(line.number, error.faults)

    def done(self) -> float:
        """Return the share read so far."""
        return self._source.done()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _reader(self, names: list[str], place: str) -> RowReader:
        columns: Columns = columns_of(names, place, kind=self._kind, mapping=self._mapping)
        return RowReader(columns, self._features, is_text=self._source.is_text)

    def _object(self, content: dict[str, Any], received_at_ms: int) -> Item:
        if _TYPE in content and _SEGMENT_IDS.intersection(content):
            return _segment(content, received_at_ms)
        flat = _flat(content)
        names = tuple(flat)
        reader = self._readers.get(names)
        if reader is None:
            try:
                reader = self._reader(list(names), "")
            except DefinitionError as error:
                raise InputError(error.faults) from error
            if len(self._readers) < _MOST_READERS:
                self._readers[names] = reader
        return reader.read(list(flat.values()), received_at_ms=received_at_ms)


_MOST_READERS = 1_000


def _segment(content: dict[str, Any], received_at_ms: int) -> Item:
    envelope = Envelope([content], batched=False, plain=True)
    try:
        return read_message(envelope, 0, received_at_ms=received_at_ms, fallback_id=str)
    except InputError as error:
        raise InputError(as_sent(fault, content) for fault in error.faults) from error


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with what is nested in it named by its path."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if name in _NESTED and isinstance(value, dict):
            for inner, item in value.items():
                if name == "consents" and isinstance(item, dict):
                    flat |= {f"{name}.{inner}.{purpose}": word for purpose, word in item.items()}
                else:
                    flat[f"{name}.{inner}"] = item
        else:
            flat[name] = value
    return flat
