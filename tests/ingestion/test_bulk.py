"""Files land whole, once, however they are sorted, broken off or run again."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import polars as pl
import pytest

from nba.domain.ids import CustomerId
from nba.errors import DefinitionError, OverloadedError, UnavailableError
from nba.features import ProfileService
from nba.ingestion.columns import FileMapping, Kind

HEADER = "customer_id,event,timestamp,message_id,amount,category,gift\n"
AT = "2025-06-15T12:00:00Z"
AT_MS = 1_749_988_800_000


def places(report: Any) -> list[tuple[str, str]]:
    return [(fault.place, fault.found) for fault in report.faults]


def test_a_table_of_events(shop: Any) -> None:
    path = shop.write(
        "events.csv",
        HEADER
        + f"anna,buy,{AT},m1,12.50,shoes,true\n"
        + f"boris,buy,{AT_MS},m2,4,,\n"
        + "anna,buy,2025-06-15T14:00:00+02:00,m3,,,\n"
        + "anna,buy,2025-05-01T00:00:00Z,m4,1e2,,0\n",
    )
    report = shop.ingest(path)
    assert (report.rows, report.recorded, report.rejected, report.faults) == (4, 4, 0, [])
    assert {k: shop.row("anna")[k] for k in ("orders", "spend", "orders_7d")} == {
        "orders": 3.0,
        "spend": 112.5,
        "orders_7d": 2.0,  # the fourth is older than the window: left out of it, as it would be now
    }
    assert shop.row("boris")["spend"] == 4.0
    logged = sorted(shop.logged(), key=lambda row: row["message_id"])
    assert [row["message_id"] for row in logged] == ["m1", "m2", "m3", "m4"]
    assert json.loads(logged[0]["properties"]) == {
        "amount": 12.5,
        "category": "shoes",
        "gift": True,
    }
    assert [int(row["at"].timestamp() * 1_000) for row in logged[:3]] == [AT_MS] * 3
    assert {row["version"] for row in logged} == {0}
    assert {int(row["received_at"].timestamp() * 1_000) for row in logged} == {shop.clock()}
    assert asyncio.run(shop.ledger.backlog()) == 0  # the log has them already


def test_a_table_of_customers(shop: Any) -> None:
    path = shop.write(
        "customers.csv",
        "customer_id,age,vip,tier,born,likes,time_zone,locale,consents.email.marketing,shoe\n"
        "anna,40,true,gold,2000-02-29,tea|cake,Europe/Berlin,de,granted,38\n"
        "boris,,,,,,,,denied,\n",
    )
    report = shop.ingest(path)
    assert (report.rows, report.recorded) == (2, 2)
    assert report.undeclared == {"shoe": 1}
    row = shop.row("anna")
    assert (row["age"], row["vip"], row["tier"], row["likes[tea]"]) == (40.0, 1.0, 1.0, 1.0)
    profile = asyncio.run(shop.store.get(CustomerId("anna")))
    assert profile is not None
    assert asyncio.run(shop.ledger.backlog()) == 2  # updates go by the ledger


def test_the_same_rows_in_each_format_say_the_same(shop: Any) -> None:
    rows = [
        {"customer_id": "anna", "event": "buy", "timestamp": AT, "amount": 2.5, "gift": True},
        {"customer_id": "anna", "event": "buy", "timestamp": AT, "amount": 4.0, "gift": None},
    ]
    text = "customer_id,event,timestamp,amount,gift\n" + "".join(
        f"anna,buy,{AT},{row['amount']},{'true' if row['gift'] else ''}\n" for row in rows
    )
    frame = pl.DataFrame(rows).with_columns(pl.col("timestamp").str.to_datetime("%+"))
    frame.write_parquet(shop.folder / "e.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    nested = "".join(
        json.dumps({"properties": {k: row.pop(k) for k in ("amount", "gift")}, **row}) + "\n"
        for row in rows
    )
    files = [
        shop.write("e.csv", text),
        shop.folder / "e.parquet",
        shop.write("e.jsonl", lines),
        shop.write("n.ndjson", nested),
        shop.write("e.csv.gz", gzip.compress(text.replace("anna,", "anna ,", 0).encode())),
    ]
    for count, path in enumerate(files, start=1):
        report = shop.ingest(path)
        assert (report.recorded, report.faults) == (2, []), path
        assert shop.row("anna")["spend"] == 6.5 * count
    assert {row["properties"] for row in shop.logged()} == {
        '{"amount":2.5,"gift":true}',
        '{"amount":4.0}',
    }


def test_lines_of_segments_messages(shop: Any) -> None:
    messages = [
        {"type": "identify", "userId": "anna", "traits": {"age": 40}},
        {"type": "track", "userId": "anna", "event": "buy", "timestamp": AT, "messageId": "m1"},
        {"type": "track", "anonymousId": "x", "event": "buy", "timestamp": AT, "messageId": "m2"},
        {"type": "group", "userId": "anna", "groupId": "g1"},
        {"type": "alias", "previousId": "x", "userId": "anna"},
        {"type": "track", "userId": "anna"},
    ]
    path = shop.write("m.jsonl", "".join(json.dumps(message) + "\n" for message in messages))
    report = shop.ingest(path)
    assert (report.recorded, report.rejected) == (5, 1)
    assert places(report) == [("m.jsonl:6", "event: it is missing")]
    row = shop.row("anna")
    assert (row["age"], row["orders"], row["group_id"]) == (40.0, 2.0, 0.0)


def test_a_mapping_says_which_column_is_which(shop: Any) -> None:
    path = shop.write("till.csv", f"who,when,euro,till\nanna,{AT},3.5,7\n")
    columns = {"who": "customer_id", "when": "timestamp", "euro": "amount", "till": None}
    report = shop.ingest(path, mapping=FileMapping(columns=columns, event="buy"))
    assert (report.recorded, report.undeclared) == (1, {})
    assert shop.row("anna")["spend"] == 3.5


def test_every_bad_row_is_named_and_everything_else_lands(shop: Any) -> None:
    path = shop.write(
        "bad.csv",
        HEADER
        + f"anna,buy,{AT},m1,1,,\n"  # 2
        + f"anna,buy,{AT},m2,dear,,\n"
        + "anna,buy,1970-01-01T00:00:00Z,m3,1,,\n"
        + "anna,buy,2100-01-01T00:00:00Z,m4,1,,\n"
        + f"{'x' * 300},buy,{AT},m5,1,,\n"
        + f"anna,buy,{AT},m6,NaN,,\n"
        + f"anna,buy,{AT},m7,-inf,,\n"
        + f"anna,buy,{AT},m8,1,,perhaps\n"
        + f"anna,buy,{AT},m9,1\n"
        + "anna,buy,soon,m10,1,,\n"
        + f",buy,{AT},m11,1,,\n"
        + f"anna,,{AT},m12,1,,\n"
        + f"anna,moon,{AT},m13,1,,\n"
        + f"anna 🎁 שלום,buy,{AT},m14,-0.0,,\n"
        + f"anna,buy,{AT},m1,1,,\n",
    )
    report = shop.ingest(path)
    assert (report.rows, report.recorded, report.duplicate, report.ignored) == (15, 2, 1, 1)
    assert report.rejected == 11
    assert {int(place.rpartition(":")[2]) for place, _ in places(report)} == {*range(3, 14)}
    found = dict(places(report))
    assert found["bad.csv:3"] == "properties/amount: found 'dear'"
    assert found["bad.csv:6"] == "customer_id: an id of 300 characters"
    assert found["bad.csv:10"] == "5 cells"
    assert found["bad.csv:12"] == "customer_id: it is missing"
    assert shop.row("anna")["orders"] == 1.0
    assert shop.row("anna 🎁 שלום")["spend"] == 0.0
    assert len(shop.logged()) == 2


def test_bad_lines_of_json_are_named(shop: Any) -> None:
    good = {"customer_id": "anna", "event": "buy", "timestamp": AT, "amount": 1}
    text = json.dumps(good)
    path = shop.write(
        "bad.jsonl",
        "\n".join(
            [
                text,
                "{",
                "",
                "[1]",
                text.replace('"amount": 1', '"amount": NaN'),
                text.replace('"amount": 1', '"amount": 1, "amount": 2'),
                text.replace('"anna"', '"\\ud800"'),
                json.dumps({"customer_id": "anna", "age": 5}),
                json.dumps({"event": "buy", "timestamp": AT}),
                text[:40],
            ]
        ).encode()
        + b"\n\xff\xfe",
    )
    report = shop.ingest(path)
    assert (report.recorded, report.rejected) == (2, 8)
    assert [place for place, _ in places(report)][:3] == [
        "bad.jsonl:2",
        "bad.jsonl:4",
        "bad.jsonl:6",
    ]
    assert {int(place.rpartition(":")[2]) for place, _ in places(report)} == {
        *(2, 4, 5, 6, 7, 9, 10, 11)
    }
    assert (shop.row("anna")["orders"], shop.row("anna")["age"]) == (1.0, 5.0)


@pytest.mark.parametrize("name", ["half.csv", "half.csv.gz", "half.jsonl", "half.jsonl.gz"])
def test_a_text_file_cut_in_half_lands_up_to_the_cut(shop: Any, name: str) -> None:
    rng = random.Random(5)
    names = [f"customer {rng.random()}" for _ in range(400)]
    if "csv" in name:
        text = HEADER + "".join(
            f'{who},buy,{AT},m{i},1,"a, b",true\n' for i, who in enumerate(names)
        )
    else:
        row = {"event": "buy", "timestamp": AT, "amount": 1}
        text = "".join(json.dumps({"customer_id": who, **row}) + "\n" for who in names)
    whole = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    cut = whole[: len(whole) // 2]
    if not name.endswith("gz"):
        cut = cut[: cut.rindex(b"buy") + 2]
    report = shop.ingest(shop.write(name, cut))
    assert 100 < report.recorded < 300
    assert report.rejected == 1
    (fault,) = report.faults
    line = 1 + report.recorded + ("csv" in name)
    assert fault.place == f"{name}:{line}"


def test_a_parquet_file_cut_in_half_is_refused_before_a_row_lands(shop: Any) -> None:
    frame = pl.DataFrame({"customer_id": ["anna"] * 1_000, "age": range(1_000)})
    frame.write_parquet(shop.folder / "whole.parquet")
    whole = (shop.folder / "whole.parquet").read_bytes()
    path = shop.write("half.parquet", whole[: len(whole) // 2])
    with pytest.raises(DefinitionError, match=r"half.parquet: it cannot be read"):
        shop.ingest(path)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", "", "there is no header"),
        ("a.csv", "who,age\nanna,4\n", "there is no column 'customer_id'"),
        ("a.csv", "customer_id,age,age\nanna,4,4\n", "column 'age' is there twice"),
        ("a.xlsx", "x", "an unknown format"),
        ("a", "x", "an unknown format"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused(
    shop: Any, name: str, content: str, match: str
) -> None:
    with pytest.raises(DefinitionError, match=match):
        shop.ingest(shop.write(name, content))


def test_a_mapping_that_does_not_fit_is_refused(shop: Any) -> None:
    path = shop.write("a.csv", "customer_id,age\nanna,4\n")
    with pytest.raises(DefinitionError, match="there is no column 'years'"):
        shop.ingest(path, mapping=FileMapping(columns={"years": "age"}))
    with pytest.raises(DefinitionError, match="there is no column 'event'"):
        shop.ingest(path, kind=Kind.EVENTS)


def many(ids: str, customers: int = 30, each: int = 20) -> str:
    rng = random.Random(1)
    rows = [
        f"c{i % customers},buy,{AT},{f'm{i}' if ids == 'own' else ''},{rng.randrange(9)},,\n"
        for i in range(customers * each)
    ]
    rng.shuffle(rows)
    return HEADER + "".join(rows)


@pytest.mark.parametrize("ids", ["own", "none"])
def test_a_file_taken_in_before_is_left_alone_under_any_name(shop: Any, ids: str) -> None:
    first = shop.ingest(shop.write("a.csv", many(ids)))
    again = shop.ingest(shop.write("b.csv", many(ids)))
    assert (first.was_complete, again.was_complete) == (False, True)
    assert (again.rows, again.recorded) == (600, 600)
    assert shop.row("c3")["orders"] == 20.0
    assert len(shop.logged()) == 600
    assert not list((shop.folder / "spool").glob("*"))


class Interrupted(ProfileService):
    """A service whose store goes away after so many calls."""

    calls_left = 0

    async def ingest(self, *items: Any, **more: Any) -> Any:
        """Take items in, or break off."""
        if self.calls_left == 0:
            raise UnavailableError("the store cannot be reached")
        self.calls_left -= 1
        return await super().ingest(*items, **more)


@pytest.mark.parametrize("ids", ["own", "none"])
@pytest.mark.parametrize("calls", range(5))
def test_an_interrupted_file_goes_on_where_it_was(
    shop: Any, monkeypatch: pytest.MonkeyPatch, calls: int, ids: str
) -> None:
    monkeypatch.setattr("nba.ingestion.bulk._ROWS_PER_BUCKET", 100)
    monkeypatch.setattr("nba.ingestion.bulk._ITEMS_AT_ONCE", 50)
    path = shop.write("a.csv", many(ids) + f"c1,buy,{AT},last,dear,,\n")
    service = Interrupted(shop.store, lambda: shop.bulk()._features, shop.clock)
    service.calls_left = calls
    with pytest.raises(UnavailableError):
        asyncio.run(shop.bulk(service).ingest(path, lambda *_: None))
    report = shop.ingest(path)
    assert report.resumed
    assert (report.rows, report.rejected) == (601, 1)
    assert report.recorded + report.duplicate == 600
    if ids == "none":
        assert report.recorded == 600
    assert [shop.row(f"c{i}")["orders"] for i in range(30)] == [20.0] * 30
    assert len(shop.logged()) == 600
    assert len({row["message_id"] for row in shop.logged()}) == 600


class LogAway:
    """A log that cannot be written once."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.failed = False

    @property
    def sealer(self) -> Any:
        """Return the log's."""
        return self._log.sealer

    def append(self, *rows: Any, **more: Any) -> bool:
        """Fail the first time."""
        if not self.failed:
            self.failed = True
            raise UnavailableError("the log does not answer")
        return bool(self._log.append(*rows, **more))


@pytest.mark.parametrize("ids", ["own", "none"])
def test_what_the_store_has_and_the_log_lacks_is_logged_on_resuming(shop: Any, ids: str) -> None:
    path, log = shop.write("a.csv", many(ids)), LogAway(shop.log)
    with pytest.raises(UnavailableError):
        asyncio.run(shop.bulk(log=log).ingest(path, lambda *_: None))
    assert shop.logged() == []
    asyncio.run(shop.bulk(log=log).ingest(path, lambda *_: None))
    assert len(shop.logged()) == 600
    assert shop.row("c0")["orders"] == 20.0


def test_the_log_is_written_while_others_are_held_off_it(shop: Any) -> None:
    """Erasing somebody meanwhile would take files away that nothing refers to yet."""
    held: list[bool] = []

    @asynccontextmanager
    async def alone() -> AsyncIterator[None]:
        held.append(True)
        yield
        held.append(False)

    class Watched(LogAway):
        def append(self, *rows: Any, **more: Any) -> bool:
            assert held[-1]
            return bool(self._log.append(*rows, **more))

    bulk = shop.bulk(log=Watched(shop.log))
    bulk._alone_with_log = alone
    asyncio.run(bulk.ingest(shop.write("a.csv", many("own")), lambda *_: None))
    assert len(shop.logged()) == 600
    assert held[-1] is False


def test_a_customer_of_thousands_of_rows_keeps_their_order(shop: Any) -> None:
    rows = [f"anna,{i}\n" for i in range(1_001)]
    path = shop.write("a.csv", "customer_id,age\n" + "".join(rows))
    assert shop.ingest(path).recorded == 1_001
    assert shop.row("anna")["age"] == 1_000.0


class Busy(ProfileService):
    """A service where others keep a customer busy at first."""

    refusals = 2

    async def ingest(self, *items: Any, **more: Any) -> Any:
        """Take items in, after a while."""
        if self.refusals:
            self.refusals -= 1
            raise OverloadedError("busy", retry_after_seconds=0)
        return await super().ingest(*items, **more)


def test_where_others_are_faster_it_is_tried_again(shop: Any) -> None:
    service = Busy(shop.store, lambda: shop.bulk()._features, shop.clock)
    path = shop.write("a.csv", f"{HEADER}anna,buy,{AT},m1,1,,\n")
    assert asyncio.run(shop.bulk(service).ingest(path, lambda *_: None)).recorded == 1


class Late(Busy):
    """A service whose store does not answer at first."""

    refusals = 1

    async def ingest(self, *items: Any, **more: Any) -> Any:
        """Take items in, once the store answers."""
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("late")
        return await super().ingest(*items, **more)


def test_where_the_store_is_late_it_is_tried_again(shop: Any) -> None:
    service = Late(shop.store, lambda: shop.bulk()._features, shop.clock)
    path = shop.write("a.csv", f"{HEADER}anna,buy,{AT},m1,1,,\n")
    bulk = shop.bulk(service, store_seconds=1)
    assert asyncio.run(bulk.ingest(path, lambda *_: None)).recorded == 1


def test_progress_is_told_and_ends_at_one(shop: Any) -> None:
    told: list[tuple[str, float]] = []
    path = shop.write("a.csv", many("own"))
    asyncio.run(shop.bulk().ingest(path, lambda *step: told.append(step)))
    assert {stage for stage, _ in told} == {"reading", "landing", "done"}
    assert told[-1] == ("done", 1.0)
    assert all(0.0 <= done <= 1.0 for _, done in told)


def test_a_file_without_rows_is_no_fault(shop: Any) -> None:
    path = shop.write("empty.csv", HEADER)
    report = shop.ingest(path)
    assert (report.rows, report.recorded) == (0, 0)
