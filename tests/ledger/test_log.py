"""One contract for every log: in memory, and Delta tables on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from nba.errors import ConflictError, UnavailableError
from nba.ledger.delta import DeltaLog, moment
from nba.ledger.log import SCHEMAS, DecisionLog, LogTable
from nba.ledger.memory_log import MemoryLog


@pytest.fixture(params=["memory", "delta"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> DecisionLog:
    return MemoryLog() if request.param == "memory" else DeltaLog(str(tmp_path / "log"))


def outcomes(*names: str) -> pl.DataFrame:
    rows = [(name, "d1", 0, "click", moment(1), moment(2), None) for name in names]
    return pl.DataFrame(rows, schema=SCHEMAS[LogTable.OUTCOMES], orient="row")


def names(log: DecisionLog) -> list[str]:
    return sorted(log.scan(LogTable.OUTCOMES).collect()["outcome_id"].to_list())


def test_a_log_never_written_scans_as_an_empty_table(log: DecisionLog):
    for table in LogTable:
        frame = log.scan(table).collect()
        assert frame.height == 0
        assert frame.schema == SCHEMAS[table]


def test_rows_come_back_as_written(log: DecisionLog):
    log.append(LogTable.OUTCOMES, outcomes("a", "b"))
    log.append(LogTable.OUTCOMES, outcomes("c"))
    frame = log.scan(LogTable.OUTCOMES).sort("outcome_id").collect()
    assert frame.equals(outcomes("a", "b", "c"))


def test_a_batch_written_before_is_not_written_again(log: DecisionLog):
    assert log.position(LogTable.OUTCOMES, "p0") == -1
    assert log.append(LogTable.OUTCOMES, outcomes("a"), positions={"p0": 7, "p1": 3})
    assert not log.append(LogTable.OUTCOMES, outcomes("a"), positions={"p0": 7, "p1": 3})
    assert log.append(LogTable.OUTCOMES, outcomes("b"), positions={"p0": 7, "p1": 4})
    assert log.position(LogTable.OUTCOMES, "p1") == 4
    assert log.scan(LogTable.OUTCOMES).collect().height == 2


def test_what_another_wrote_meanwhile_is_not_written_again(log):
    assert log.append(LogTable.OUTCOMES, outcomes("a"), positions={"p0": 7}, since={"p0": -1})
    more = {"positions": {"p0": 9, "p1": 5}, "since": {"p0": 5, "p1": -1}}
    with pytest.raises(ConflictError, match="p0 was written to the log by another process"):
        log.append(LogTable.OUTCOMES, outcomes("b"), **more)
    more = {"positions": {"p0": 9, "p1": 5}, "since": {"p0": 7, "p1": -1}}
    assert log.append(LogTable.OUTCOMES, outcomes("b"), **more)
    assert not log.append(LogTable.OUTCOMES, outcomes("b"), **more)  # the reply was lost
    assert names(log) == ["a", "b"]


def test_of_two_processes_that_write_a_partition_in_one_moment_one_does(tmp_path):
    """Each has read how far it was written before the other commits."""
    root = str(tmp_path)
    first, second = DeltaLog(root), DeltaLog(root)
    first.append(LogTable.OUTCOMES, outcomes("a"), positions={"p0": 1})
    write = second._write

    def late(*arguments: Any) -> None:
        first.append(LogTable.OUTCOMES, outcomes("b"), positions={"p0": 2}, since={"p0": 1})
        write(*arguments)

    second._write = late
    with pytest.raises(UnavailableError, match="Concurrent transaction"):
        second.append(LogTable.OUTCOMES, outcomes("b"), positions={"p0": 2}, since={"p0": 1})
    assert names(first) == ["a", "b"]
    others = {"positions": {"p1": 4}, "since": {"p1": -1}}
    assert first.append(LogTable.OUTCOMES, outcomes("c"), **others)


def test_a_new_feature_column_joins_older_rows_as_null(log: DecisionLog):
    log.append(LogTable.OUTCOMES, outcomes("a"))
    log.append(LogTable.OUTCOMES, outcomes("b").with_columns(f_age=pl.lit(31.0)))
    frame = log.scan(LogTable.OUTCOMES).sort("outcome_id").collect()
    assert frame["f_age"].to_list() == [None, 31.0]


def test_erasing_a_customer_removes_their_rows_and_their_decisions_outcomes(
    log: DecisionLog, tmp_path: Path
):
    schema = {name: SCHEMAS[LogTable.DECISIONS][name] for name in ("decision_id", "customer_id")}
    decisions = pl.DataFrame([("d1", "o'neil"), ("d2", "bo")], schema=schema, orient="row")
    log.append(LogTable.DECISIONS, decisions)
    log.append(LogTable.OUTCOMES, outcomes("a"))
    log.erase("o'neil")
    assert log.scan(LogTable.DECISIONS).collect()["customer_id"].to_list() == ["bo"]
    assert log.scan(LogTable.OUTCOMES).collect().height == 0
    for file in tmp_path.rglob("*.parquet"):
        assert b"o'neil" not in file.read_bytes()


def test_erasing_a_customer_leaves_what_is_about_nobody(log: DecisionLog):
    schema = SCHEMAS[LogTable.FEATURE_PROFILES]
    row = (None, "p.0", "age", 3, 0.0, None, 31.0, 2.0, [30.0, 33.0], 0.01, 0.02)
    log.append(LogTable.FEATURE_PROFILES, pl.DataFrame([row], schema=schema, orient="row"))
    columns = {name: SCHEMAS[LogTable.DECISIONS][name] for name in ("decision_id", "customer_id")}
    log.append(LogTable.DECISIONS, pl.DataFrame([("d1", "ann")], schema=columns, orient="row"))
    log.erase("ann")
    assert log.scan(LogTable.FEATURE_PROFILES).collect()["quantiles"].to_list() == [[30.0, 33.0]]


def test_updates_are_kept_by_when_they_arrived(log: DecisionLog):
    row = ("anna", moment(5), "api", '{"age":4}', "{}", "{}", None, None, 1)
    rows = pl.DataFrame([row], schema=SCHEMAS[LogTable.UPDATES], orient="row")
    log.append(LogTable.UPDATES, rows)
    assert log.scan(LogTable.UPDATES).collect().equals(rows)


def test_a_table_begun_before_a_column_was_thought_of_has_it_as_missing(log: DecisionLog):
    old = {name: kind for name, kind in SCHEMAS[LogTable.EVENTS].items() if name != "version"}
    row = ("anna", "Order", "m1", moment(1), moment(2), "{}")
    log.append(LogTable.EVENTS, pl.DataFrame([row], schema=old, orient="row"))
    assert log.scan(LogTable.EVENTS).collect()["version"].to_list() == [None]


def test_resolutions_of_before_goals_and_amounts_are_read_beside_newer_ones(log: DecisionLog):
    schema = SCHEMAS[LogTable.RESOLUTIONS]
    old = {name: kind for name, kind in schema.items() if name not in {"goals", "missed", "amount"}}
    before = ("d1", 0, "card", "rewarded", 1.0, 50.0, moment(1), "o1", 3, 17)
    after = ("d2", 0, "card", "rewarded", 1.0, 52.0, moment(1), "o2", 3, 18, ["click"], [], 49.5)
    log.append(LogTable.RESOLUTIONS, pl.DataFrame([before], schema=old, orient="row"))
    log.append(LogTable.RESOLUTIONS, pl.DataFrame([after], schema=schema, orient="row"))
    assert sorted(log.scan(LogTable.RESOLUTIONS).select(*schema).collect().rows()) == [
        (*before, None, None, None),
        after,
    ]


def of_three_customers(log: DecisionLog) -> None:
    columns = {name: SCHEMAS[LogTable.DECISIONS][name] for name in ("decision_id", "customer_id")}
    rows = [("d1", "ann"), ("d2", "bo"), ("d1", "ann")]
    log.append(LogTable.DECISIONS, pl.DataFrame(rows, schema=columns, orient="row"))
    log.append(LogTable.OUTCOMES, outcomes("a"))
    schema = SCHEMAS[LogTable.UPDATES]
    updates = [
        ("ann", moment(1), "api", "{}", "{}", "{}", None, None, 1),
        ("cy", moment(2), "alias:ann", "{}", "{}", "{}", None, None, 1),
        ("cy", moment(3), "api", "{}", "{}", "{}", None, None, 2),
    ]
    log.append(LogTable.UPDATES, pl.DataFrame(updates, schema=schema, orient="row"))


def test_a_search_counts_the_rows_about_a_customer_and_their_decisions(log: DecisionLog):
    of_three_customers(log)
    places = [place for place in log.search("ann", ["d1"]) if place.place.startswith("log ")]
    rows = {p.place.split(" ")[-1].rpartition("/")[2]: (p.searched, p.found) for p in places}
    assert (rows["decisions"], rows["outcomes"], rows["updates"]) == ((3, 2), (1, 1), (3, 2))


def test_erasing_tells_the_decisions_and_leaves_nothing_to_find(log: DecisionLog):
    of_three_customers(log)
    assert log.erase("ann") == ["d1"]
    assert {place.found for place in log.search("ann", ["d1"])} == {0}
    assert log.scan(LogTable.UPDATES).collect()["customer_id"].to_list() == ["cy"]
    assert log.erase("ann") == []
    assert log.erase("nobody") == []


def test_files_a_killed_writer_left_behind_are_found_and_removed(tmp_path: Path):
    log = DeltaLog(str(tmp_path / "log"))
    of_three_customers(log)
    orphan = tmp_path / "log" / "updates" / "part-of-a-killed-writer.parquet"
    log.scan(LogTable.UPDATES).collect().write_parquet(orphan)
    left = {place.place: place.found for place in log.search("nobody", [])}
    assert left["files left behind in log log/updates"] == 1
    log.erase("nobody")
    assert not orphan.exists()
    assert log.scan(LogTable.UPDATES).collect().height == 3


def test_a_table_of_an_older_version_forgets_as_well(tmp_path: Path):
    """It was made without the properties that let a checkpoint forget deleted files."""
    log = DeltaLog(str(tmp_path / "log"))
    of_three_customers(log)
    uri = tmp_path / "log" / "updates"
    frame = log.scan(LogTable.UPDATES).collect()
    write_deltalake(str(uri), frame.to_arrow(), mode="overwrite", configuration={})
    table = DeltaTable(str(uri))
    table.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 7 days"})
    log.erase("ann")
    assert {place.found for place in log.search("ann", ["d1"])} == {0}
    for file in uri.rglob("*.json"):
        assert "'ann'" not in file.read_text()
