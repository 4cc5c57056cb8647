"""Rows of CSV, Parquet and JSONL files, one after the other, each with its line or row number.

CSV and JSONL may be gzipped. A file is never held as a whole. What cannot be read as a row comes as
the faults it has; where a file breaks off, that is its last one.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import polars as pl

from nba.bodies import decode, loose_parts
from nba.errors import DefinitionError, Fault, InputError

FORMATS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""Format by the end of a file's name."""

_PARQUET_ROWS = 50_000
_BYTES_PER_ROW = 80
_PACKED_BYTES_PER_ROW = 10
_MAX_FIELD = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number, and its cells, the object it holds, or what is wrong with it.

    Lines of a text file count from 1, its header included; rows of a Parquet file from 1.
    """

    number: int
    content: Any = None
    faults: tuple[Fault, ...] = ()


class Source(Protocol):
    """A file opened for reading.

    ``names`` are its columns, ``None`` where every row has its own names; ``is_text`` where every
    cell is text; ``rows`` is about how many rows there are.
    """

    names: list[str] | None
    is_text: bool
    rows: int

    def __iter__(self) -> Iterator[Line]:
        """Iterate over the rows."""
        ...

    def done(self) -> float:
        """Return the share read so far."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_source(path: Path) -> Source:
    """Open a file by the end of its name; :class:`~nba.errors.DefinitionError` where it is none."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    format_ = FORMATS.get(suffixes[-1].lower() if suffixes else "")
    if format_ is None:
        expected = f"a name that ends in {', '.join(FORMATS)} is expected"
        raise DefinitionError([Fault(path.name, "an unknown format", expected)])
    if format_ == "parquet":
        return ParquetSource(path)
    return CsvSource(path) if format_ == "csv" else JsonLinesSource(path)


class _Text:
    """A text file, plain or gzipped, that knows how much of it was read."""

    def __init__(self, path: Path) -> None:
        self._size = max(path.stat().st_size, 1)
        self._raw: BinaryIO = path.open("rb")
        is_packed = path.suffix == ".gz"
        self.rows = self._size // (_PACKED_BYTES_PER_ROW if is_packed else _BYTES_PER_ROW)
        self.bytes: Any = gzip.GzipFile(fileobj=self._raw) if is_packed else self._raw

    def done(self) -> float:
        return min(self._raw.tell() / self._size, 1.0)

    def close(self) -> None:
        self._raw.close()


class CsvSource:
    """A CSV file with a header, in UTF-8."""

    is_text = True

    def __init__(self, path: Path) -> None:
        self._file = _Text(path)
        self.rows = self._file.rows
        text = io.TextIOWrapper(
            self._file.bytes, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        csv.field_size_limit(_MAX_FIELD)
        self._reader = csv.reader(text, strict=True)
        try:
            self.names: list[str] | None = next(self._reader, [])
        except (csv.Error, OSError, EOFError) as error:
            self.close()
            raise DefinitionError([Fault(f"{path.name}:1", str(error), "a header")]) from error
        if not self.names:
            self.close()
            raise DefinitionError([Fault(f"{path.name}:1", "there is no header", "name columns")])

    def __iter__(self) -> Iterator[Line]:
        """Iterate over the rows after the header."""
        width = len(self.names or ())
        while True:
            number = self._reader.line_num + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                yield Line(number, faults=(Fault("", str(error), "a CSV row is expected"),))
                continue
            except (OSError, EOFError) as error:
                yield Line(number, faults=(_broken(error),))
                return
            if cells is None:
                return
            if len(cells) != width:
                if cells:
                    found = f"{len(cells)} cells"
                    yield Line(number, faults=(Fault("", found, f"{width}, as in the header"),))
                continue
            faults = () if "".join(cells).isascii() else tuple(loose_parts("\n".join(cells)))
            yield Line(number, cells, faults)

    def done(self) -> float:
        """Return the share read so far."""
        return self._file.done()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JsonLinesSource:
    """A file with a JSON object in each line."""

    is_text = False
    names: list[str] | None = None

    def __init__(self, path: Path) -> None:
        self._file = _Text(path)
        self.rows = self._file.rows

    def __iter__(self) -> Iterator[Line]:
        """Iterate over the lines that are not empty."""
        number = 0
        while True:
            number += 1
            try:
                line = self._file.bytes.readline()
            except (OSError, EOFError) as error:
                yield Line(number, faults=(_broken(error),))
                return
            if not line:
                return
            if line.strip():
                yield _json_line(number, line)

    def done(self) -> float:
        """Return the share read so far."""
        return self._file.done()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetSource:
    """A Parquet file; times come as milliseconds since the epoch, dates as text."""

    is_text = False

    def __init__(self, path: Path) -> None:
        self._read = 0
        try:
            self._frame = pl.scan_parquet(path)
            schema = self._frame.collect_schema()
            self.rows = int(self._frame.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DefinitionError([Fault(path.name, *_unreadable(error))]) from error
        self.names: list[str] | None = schema.names()
        self._casts = [
            cast for name, kind in schema.items() if (cast := _plain(name, kind)) is not None
        ]

    def __iter__(self) -> Iterator[Line]:
        """Iterate over the rows."""
        while self._read < self.rows:
            part = self._frame.slice(self._read, _PARQUET_ROWS).with_columns(self._casts)
            try:
                rows = part.collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                yield Line(self._read + 1, faults=(Fault("", *_unreadable(error)),))
                return
            for number, cells in enumerate(rows.iter_rows(), start=self._read + 1):
                yield Line(number, cells)
            self._read += rows.height

    def done(self) -> float:
        """Return the share read so far."""
        return self._read / max(self.rows, 1)

    def close(self) -> None:
        """Do nothing: the file is open only while a part of it is read."""


def _json_line(number: int, line: bytes) -> Line:
    try:
        content, plain = decode(line)
    except InputError as error:
        return Line(number, faults=error.faults)
    if not isinstance(content, dict):
        return Line(number, faults=(Fault("", f"found {content!r}"[:80], "a JSON object"),))
    return Line(number, content, () if plain else tuple(loose_parts(content)))


def _plain(name: str, kind: pl.DataType) -> pl.Expr | None:
    column = pl.col(name)
    match kind:
        case pl.Datetime():
            return column.dt.epoch("ms")
        case pl.Date() | pl.Categorical() | pl.Enum():
            return column.cast(pl.String)
        case pl.Decimal():
            return column.cast(pl.Float64)
    return None


def _broken(error: Exception) -> Fault:
    return Fault("", f"the file breaks off: {error}", "the whole file is expected")


def _unreadable(error: Exception) -> tuple[str, str]:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"it cannot be read: {reason}", "a whole Parquet file is expected"
