"""Writing the log: what fails is appended again as it was; no row is lost or there twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import UnavailableError
from nba.ledger.delta import DeltaLog, moment
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.ledger.positions import START, ordinal, position_at
from nba.ledger.store import EntryType, LedgerEntry
from nba.worker.writing import LogWriter

TABLES = (LogTable.OUTCOMES, LogTable.RESOLUTIONS)


def outcome(name: str) -> dict[str, Any]:
    return {
        "outcome_id": name,
        "decision_id": "d1",
        "choice": 0,
        "kind": "click",
        "at": moment(1),
        "received_at": moment(2),
        "value": None,
    }


def resolution(name: str) -> dict[str, Any]:
    return {
        "decision_id": name,
        "choice": 0,
        "action": "coat",
        "kind": "rewarded",
        "label": 1.0,
        "reward": 2.0,
        "at": moment(1),
        "outcome_id": None,
    }


class Faltering:
    """A log whose appends fail where the script says so: before writing, or after."""

    def __init__(self, log: DecisionLog, script: list[str]) -> None:
        self._log = log
        self._script = iter(script)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, table: LogTable, rows: pl.DataFrame, **about: Any) -> bool:
        """Append, and fail before or after it as the script says."""
        event = next(self._script, "works")
        if event == "fails":
            raise UnavailableError("nothing was written")
        written = self._log.append(table, rows, **about)
        if event == "answer lost":
            raise UnavailableError("it was written, but who knows")
        return written


def entry(partition: int, number: int) -> LedgerEntry:
    return LedgerEntry(partition, f"{number}-0", EntryType.OUTCOME, b"")


class Reader:
    """Reads a ledger of two partitions into a writer, from the beginning after each restart."""

    def __init__(self, log: DecisionLog) -> None:
        self._log = log
        self.ledger: list[tuple[LedgerEntry, LogTable, str]] = []
        self._counts = [0, 0]
        self.restart()

    def restart(self) -> None:
        """Start as a process does that knows nothing but the log."""
        self.writer = LogWriter(self._log, range(2))
        self._positions = {0: START, 1: START}
        for item in self.ledger:
            self._take(*item)

    def note(self, partition: int, table: LogTable) -> None:
        """Add an entry to the ledger and read it."""
        self._counts[partition] += 1
        number = self._counts[partition]
        self.ledger.append((entry(partition, number), table, f"{partition}-{number}"))
        self._take(*self.ledger[-1])

    def _take(self, found: LedgerEntry, table: LogTable, name: str) -> None:
        if self.writer.lacks(table, found):
            row = outcome(name) if table is LogTable.OUTCOMES else resolution(name)
            self.writer.add(table, row)
        self._positions[found.partition] = found.position

    def flush(self) -> None:
        """Flush, as far as the log allows."""
        try:
            asyncio.run(self.writer.flush(self._positions))
        except UnavailableError:
            assert self.writer.buffered_rows > 0, "what failed still waits"


STEPS = st.one_of(
    st.tuples(st.just("note"), st.integers(0, 1), st.sampled_from(TABLES)),
    st.tuples(st.sampled_from(["flush", "restart"])),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(STEPS, max_size=30),
    st.lists(st.sampled_from(["works", "fails", "answer lost"]), max_size=10),
)
def test_every_row_is_in_the_log_once_whatever_fails_and_whenever_it_starts_anew(steps, script):
    log = MemoryLog()
    reader = Reader(Faltering(log, script))
    for name, *arguments in steps:
        getattr(reader, name)(*arguments)
    while reader.writer.buffered_rows:
        reader.flush()
    for table, column in ((LogTable.OUTCOMES, "outcome_id"), (LogTable.RESOLUTIONS, "decision_id")):
        names = log.scan(table).collect()[column].to_list()
        expected = Counter(name for _, kind, name in reader.ledger if kind is table)
        assert Counter(names) == expected


@pytest.mark.parametrize("kind", ["memory", "delta"])
def test_progress_is_kept_for_each_table_and_partition(kind: str, tmp_path: Path):
    log = MemoryLog() if kind == "memory" else DeltaLog(str(tmp_path))
    writer = LogWriter(log, range(2))
    writer.add(LogTable.OUTCOMES, outcome("a"))
    assert asyncio.run(writer.flush({0: "7-0", 1: START})) == 1
    again = LogWriter(log, range(2))
    assert again.written(LogTable.OUTCOMES, 0) == "7-0"
    assert again.written(LogTable.OUTCOMES, 1) == START
    assert again.written(LogTable.RESOLUTIONS, 0) == START
    assert not again.lacks(LogTable.OUTCOMES, entry(0, 7))
    assert again.lacks(LogTable.OUTCOMES, entry(0, 8))
    assert again.lacks(LogTable.OUTCOMES, entry(1, 1))


def test_nothing_to_write_is_no_append():
    log = Faltering(MemoryLog(), ["fails"])
    assert asyncio.run(LogWriter(log, range(2)).flush({0: "7-0", 1: START})) == 0


@given(st.integers(0, 2**42), st.integers(0, 2**20 - 1))
def test_positions_are_numbers_and_back(milliseconds, sequence):
    position = f"{milliseconds}-{sequence}"
    assert position_at(ordinal(position)) == position
    assert ordinal(position) < ordinal(f"{milliseconds + 1}-0")
    assert ordinal(position) < 2**63, "the log keeps it as a signed 64-bit number"
