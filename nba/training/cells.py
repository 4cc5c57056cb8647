"""Turn text columns into typed ones, and collect every cell that cannot be.

Every parser takes a column of text (null = missing) and a :class:`CellFaults`, adds what it cannot
read to the latter, and returns a column of the same length. So one pass finds all faults of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from nba.errors import Fault, InputError

SHOWN_FAULTS = 20
"""Cells named one by one; of the rest only the count is given."""

_SECONDS_PER_DAY = 86_400.0
_TRUE = ("1", "1.0", "true", "yes", "y", "t")
_FALSE = ("0", "0.0", "false", "no", "n", "f")


@dataclass(slots=True)
class CellFaults:
    """Bad cells of one file: the first few with row and column, and counts of all."""

    file: str
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _first: list[tuple[int, str, str, str]] = field(default_factory=list)

    def add(self, bad: pl.Series, column: str, cells: pl.Series, expected: str) -> None:
        """Add the rows where ``bad`` is true; null is not bad."""
        rows = bad.fill_null(value=False).arg_true()
        if not len(rows):
            return
        key = (column, expected)
        self._counts[key] = self._counts.get(key, 0) + len(rows)
        for row in rows.head(SHOWN_FAULTS):
            cell = cells[row]
            found = "an empty cell" if cell is None else f"found {cell!r}"
            self._first.append((row + 1, column, found, expected))

    def raise_any(self) -> None:
        """Raise :class:`InputError` if anything was added."""
        if not self._counts:
            return
        shown = sorted(self._first)[:SHOWN_FAULTS]
        faults = [
            Fault(f"{self.file} row {row}, column {column!r}", found, expected)
            for row, column, found, expected in shown
        ]
        total = sum(self._counts.values())
        if total > len(shown):
            faults.extend(
                Fault(f"{self.file} column {column!r}", f"{count} bad cells in all", expected)
                for (column, expected), count in self._counts.items()
            )
        raise InputError(faults)


def parse_numbers(cells: pl.Series, faults: CellFaults) -> pl.Series:
    """Return finite numbers as Float64."""
    numbers = cells.cast(pl.Float64, strict=False)
    bad = cells.is_not_null() & (numbers.is_null() | ~numbers.is_finite().fill_null(value=True))
    faults.add(bad, cells.name, cells, "a finite number, or an empty cell where it is not known")
    return numbers


def parse_probabilities(cells: pl.Series, faults: CellFaults) -> pl.Series:
    """Return numbers above 0 and at most 1 as Float64; a missing one is a fault too."""
    numbers = cells.cast(pl.Float64, strict=False)
    good = (numbers > 0.0) & (numbers <= 1.0)
    expected = "a probability above 0 and at most 1: an action taken cannot have had none"
    faults.add(~good.fill_null(value=False), cells.name, cells, expected)
    return numbers


def parse_bools(cells: pl.Series, faults: CellFaults) -> pl.Series:
    """Return 1 and 0 as Float64 from 1/0, true/false, yes/no, y/n, t/f in any case."""
    folded = cells.str.to_lowercase()
    known = dict.fromkeys(_TRUE, 1.0) | dict.fromkeys(_FALSE, 0.0)
    numbers = folded.replace_strict(known, default=None, return_dtype=pl.Float64)
    bad = cells.is_not_null() & numbers.is_null()
    faults.add(bad, cells.name, cells, "yes or no: 1/0, true/false, yes/no")
    return numbers


def parse_times(cells: pl.Series, faults: CellFaults, *, pattern: str | None = None) -> pl.Series:
    """Return UTC moments as Datetime(us) from ISO 8601, or from a ``strptime`` pattern.

    Text without an offset is taken as UTC.
    """

    def parse(text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def parse_pattern(text: str) -> datetime:
        moment = datetime.strptime(text, pattern or "")  # noqa: DTZ007 - the next line sees to it
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    known = _parse_each(cells, parse if pattern is None else parse_pattern)
    moments = cells.replace_strict(known, default=None, return_dtype=pl.Datetime("us", "UTC"))
    bad = cells.is_not_null() & moments.is_null()
    faults.add(bad, cells.name, cells, f"a time as {pattern or 'ISO 8601'}")
    return moments


def parse_days_since(cells: pl.Series, at: pl.Series, faults: CellFaults) -> pl.Series:
    """Return days from a date to ``at`` as Float64."""
    moments = parse_times(cells, faults)
    return (at - moments).dt.total_milliseconds() / (_SECONDS_PER_DAY * 1_000.0)


def parse_choices(cells: pl.Series, values: Mapping[str, str], faults: CellFaults) -> pl.Series:
    """Return what each text is mapped to; a text not mapped, or no text, is a fault."""
    mapped = cells.replace_strict(dict(values), default=None, return_dtype=pl.String)
    expected = f"a mapped value: {', '.join(repr(value) for value in values)}"
    faults.add(mapped.is_null(), cells.name, cells, expected)
    return mapped


def translate(
    cells: pl.Series, values: Mapping[str, str | float | bool], faults: CellFaults
) -> pl.Series:
    """Replace cell texts by what a feature's ``map`` says; a text it lacks is a fault."""
    texts = {text: str(value) for text, value in values.items()}
    mapped = cells.replace_strict(texts, default=None, return_dtype=pl.String)
    expected = f"a value of the feature's map: {', '.join(repr(value) for value in values)}"
    faults.add(cells.is_not_null() & mapped.is_null(), cells.name, cells, expected)
    return mapped


def _parse_each(cells: pl.Series, parse: Callable[[str], datetime]) -> dict[str, datetime]:
    known = {}
    for text in cells.drop_nulls().unique():
        try:
            known[text] = parse(text)
        except (ValueError, OverflowError):
            continue
    return known
