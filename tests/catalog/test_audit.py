"""The audit trail: one chain whoever writes, and a change to it shows at the row changed."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from nba.catalog.audit import FIRST_HASH, AuditEntry, AuditRow, chained, hash_of, verify
from nba.catalog.sql import SqlControlStore
from nba.catalog.store import ControlStore


def entry(number: int = 1, **changes: object) -> AuditEntry:
    made = AuditEntry(at_ms=number, actor="ada", verb="publish", subject=f"plan{number}")
    return replace(made, **changes)


def chain(length: int) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(length):
        rows.append(chained(entry(number), rows[-1] if rows else None))
    return rows


def test_the_hash_is_that_of_the_canonical_bytes() -> None:
    row = chained(entry(7, actor="ü", detail='a "b"', diff={"b": [1, None], "a": True}), None)
    written = (
        '[1,7,"\\u00fc","publish","plan7","a \\"b\\"",{"a":true,"b":[1,null]},"' + "0" * 64 + '"]'
    )
    assert row.hash == sha256(written.encode()).hexdigest()
    assert (row.sequence, row.previous_hash) == (1, FIRST_HASH)


def test_rows_are_read_newest_first_and_page_by_page(store: ControlStore) -> None:
    for number in range(1, 6):
        store.audit(entry(number, detail=f"why {number}", diff={"x/y": {"/v": [1, number]}}))
    assert [row.at_ms for row in store.audit_log(2)] == [5, 4]
    (row,) = store.audit_log(1, before=4)
    assert (row.sequence, row.subject, row.detail, row.diff) == (
        3,
        "plan3",
        "why 3",
        {"x/y": {"/v": [1, 3]}},
    )
    assert store.verify_audit() is None


def test_concurrent_writers_make_one_chain(store: ControlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.audit(entry(number)), range(60)))
    rows = store.audit_log(100)
    assert [row.sequence for row in rows] == list(range(60, 0, -1))
    assert sorted(row.at_ms for row in rows) == list(range(60))
    assert store.verify_audit() is None


def test_stores_of_several_processes_make_one_chain(database_url: str) -> None:
    stores = [SqlControlStore.create(database_url) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: stores[number % 3].audit(entry(number)), range(30)))
    assert stores[0].verify_audit() is None
    assert len(stores[1].audit_log(100)) == 30
    for opened in stores:
        opened.close()


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE audit_log SET actor = 'eve' WHERE sequence = 3", 3),
        ("UPDATE audit_log SET diff = '{\"x\": 1}' WHERE sequence = 2", 2),
        ("DELETE FROM audit_log WHERE sequence = 2", 2),
        ("UPDATE audit_log SET sequence = 9 WHERE sequence = 4", 4),
        ("UPDATE audit_log SET hash = previous_hash WHERE sequence = 1", 1),
    ],
)
def test_tampering_is_found_at_its_row(sql_store: SqlControlStore, tampering: str, broken: int):
    for number in range(5):
        sql_store.audit(entry(number))
    with sql_store.database.write() as connection:
        connection.execute(text(tampering))
    found = sql_store.verify_audit()
    assert found is not None
    assert found.sequence == broken


@given(
    length=st.integers(1, 6),
    data=st.data(),
    field=st.sampled_from(["at_ms", "actor", "verb", "subject", "detail", "diff"]),
)
def test_no_field_of_any_row_can_be_changed_unseen(
    length: int, data: st.DataObject, field: str
) -> None:
    rows = chain(length)
    assert verify(rows) is None
    at = data.draw(st.integers(0, length - 1))
    other = {"at_ms": 99, "diff": {"changed": 1}}.get(field, "changed")
    rows[at] = replace(rows[at], **{field: other})
    found = verify(rows)
    assert found is not None
    assert found.sequence == at + 1


def test_a_row_rewritten_with_its_hash_breaks_the_next() -> None:
    rows = chain(3)
    forged = replace(rows[1], actor="eve")
    rows[1] = replace(forged, hash=hash_of(forged, 2, forged.previous_hash))
    found = verify(rows)
    assert found is not None
    assert found.sequence == 3
    assert rows[1].hash in found.expected


_OLD_DATABASE = """
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE plans (id INTEGER PRIMARY KEY, version VARCHAR(128) NOT NULL UNIQUE,
    artifact BLOB NOT NULL, note TEXT NOT NULL, author TEXT NOT NULL, at_ms BIGINT NOT NULL);
CREATE TABLE publications (id INTEGER PRIMARY KEY, version VARCHAR(128) NOT NULL
    REFERENCES plans (version), at_ms BIGINT NOT NULL);
CREATE TABLE audit_log (id INTEGER PRIMARY KEY, at_ms BIGINT NOT NULL, actor TEXT NOT NULL,
    verb TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL);
INSERT INTO plans VALUES (1, 'v1', x'00', '', 'ada', 1);
INSERT INTO publications VALUES (1, 'v1', 1);
INSERT INTO audit_log VALUES (4, 10, 'ada', 'publish', 'v1', 'first');
INSERT INTO audit_log VALUES (9, 20, 'bob', 'rollback', 'v0', 'x');
"""


def test_the_trail_of_an_older_database_is_chained(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(_OLD_DATABASE)
    store = SqlControlStore.create(url)
    assert [(row.sequence, row.actor, row.detail) for row in store.audit_log(5)] == [
        (2, "bob", "x"),
        (1, "ada", "first"),
    ]
    assert store.verify_audit() is None
    store.audit(entry(30))
    assert store.verify_audit() is None
    (publication,) = store.publications(5)
    assert (publication.version, publication.source, store.current()) == ("v1", "files", "v1")
    store.close()


def test_a_diff_comes_back_as_plain_data(store: ControlStore) -> None:
    diff = {"action/a": {"/value": [1.5, None], "/terms": [["a"], []], "/x": [True, "ü"]}}
    row = store.audit(entry(diff=diff))
    assert row.diff == json.loads(json.dumps(diff))
    assert store.audit_log(1) == [row]
