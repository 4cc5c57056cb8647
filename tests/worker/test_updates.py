"""Profile updates in the log: every accepted one, with what is declared only."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from shop import Shop, write_project

from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import InputError
from nba.features.profile import version_of
from nba.ledger.log import LogTable
from nba.ledger.positions import START

UNDECLARED = "distinctive-undeclared-value"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path / "shop"))


async def logged(shop: Shop, table: LogTable) -> list[dict[str, Any]]:
    worker = shop.worker()
    while await worker.step():
        pass
    await worker.flush()
    return shop.log.scan(table).collect().to_dicts()


def event(shop: Shop, message_id: str, **properties: Any) -> Event:
    return Event(
        customer_id=CustomerId("anna"),
        name="Order",
        message_id=message_id,
        at_ms=shop.clock(),
        received_at_ms=shop.clock(),
        properties=properties,
    )


def test_every_accepted_update_is_a_row_and_a_refused_one_is_not(shop: Shop) -> None:
    async def run() -> list[dict[str, Any]]:
        await shop.put(age=44.0, consents={"email": "granted"})
        with pytest.raises(InputError):
            await shop.put(age="old")
        await shop.profiles.put(
            ProfileUpdate(
                customer_id=CustomerId("anna"), attributes={"age": None}, source="identify"
            )
        )
        return await logged(shop, LogTable.UPDATES)

    first, second = asyncio.run(run())
    assert (first["source"], second["source"]) == ("api", "identify")
    assert json.loads(first["audiences"]) == {}
    assert json.loads(first["attributes"]) == {"age": 44.0}
    assert json.loads(first["consents"]) == {"email": {"marketing": "granted"}}
    assert json.loads(second["attributes"]) == {"age": None}
    assert (first["version"], second["version"]) == (1, 2)


def test_rows_carry_the_profiles_version_after_them(shop: Shop) -> None:
    async def run() -> tuple[list[dict[str, Any]], bytes | None]:
        await shop.put(age=44.0)
        await shop.profiles.ingest([event(shop, "a"), event(shop, "b"), event(shop, "a")])
        return await logged(shop, LogTable.EVENTS), await shop.store.get(CustomerId("anna"))

    rows, profile = asyncio.run(run())
    assert [(row["message_id"], row["version"]) for row in rows] == [("a", 2), ("b", 3)]
    assert profile is not None
    assert version_of(profile) == 3


def test_what_is_not_declared_reaches_neither_the_stream_nor_the_log(shop: Shop) -> None:
    async def run() -> tuple[bytes, str]:
        await shop.put(age=44.0, shoe=UNDECLARED)
        await shop.profiles.ingest([event(shop, "a", revenue=1.0, note=UNDECLARED)])
        partitions = dict.fromkeys(range(shop.ledger.partitions), START)
        entries = await shop.ledger.entries(partitions, 10)
        rows = [await logged(shop, table) for table in (LogTable.UPDATES, LogTable.EVENTS)]
        return b"".join(entry.body for entry in entries), str(rows)

    stream, rows = asyncio.run(run())
    assert b"anna" in stream
    assert "revenue" in rows
    assert UNDECLARED.encode() not in stream
    assert UNDECLARED not in rows
