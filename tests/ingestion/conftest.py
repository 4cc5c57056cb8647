"""What the tests of ingestion share: a small feature set, and a service in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nba.domain.clock import ManualClock
from nba.domain.ids import CustomerId, FeatureName
from nba.features import AggregateFeature, AttributeFeature, FeatureSet, ProfileService
from nba.features.aggregates import AggregateFunction
from nba.features.definitions import EventDefinition, FeatureType, PropertyType
from nba.features.memory import MemoryProfileStore
from nba.ingestion.bulk import BulkIngestion, FileReport
from nba.ingestion.progress import MemoryProgressStore
from nba.ledger.log import LogTable
from nba.ledger.memory import MemoryLedger
from nba.ledger.memory_log import MemoryLog

NOW_MS = 1_750_000_000_000
"""2025-06-15T15:06:40Z."""

BUY = EventDefinition(
    name="buy",
    description="a purchase",
    properties={
        "amount": PropertyType.NUMBER,
        "category": PropertyType.STRING,
        "gift": PropertyType.BOOL,
    },
)


def _attribute(name: str, type_: str, **more: Any) -> AttributeFeature:
    return AttributeFeature(name=FeatureName(name), description="", type=FeatureType(type_), **more)


def _aggregate(name: str, function: str, **more: Any) -> AggregateFeature:
    return AggregateFeature(
        name=FeatureName(name),
        description="",
        function=AggregateFunction(function),
        event="buy",
        **more,
    )


FEATURES = FeatureSet(
    [
        _attribute("age", "number"),
        _attribute("vip", "bool"),
        _attribute("tier", "enum", values=("basic", "gold")),
        _attribute("born", "date"),
        _attribute("likes", "set", values=("tea", "cake")),
        _attribute("group_id", "enum", values=("g1",)),
        _aggregate("orders", "count"),
        _aggregate("spend", "sum", property="amount"),
        _aggregate("orders_7d", "count", window="7d"),
    ],
    [BUY, EventDefinition(name="page", description="", properties={"name": PropertyType.STRING})],
)


@dataclass
class Shop:
    """A feature store in memory, and how to take files into it."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_MS))
    progress: MemoryProgressStore = field(default_factory=MemoryProgressStore)
    log: MemoryLog = field(default_factory=MemoryLog)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger({})
        self.store = MemoryProfileStore({}, self.ledger.append_entry, self.clock)
        self.service = ProfileService(self.store, lambda: FEATURES, self.clock)

    def bulk(
        self, service: Any = None, log: Any = None, *, store_seconds: int = 0
    ) -> BulkIngestion:
        """Return what takes files in."""
        return BulkIngestion(
            service or self.service,
            FEATURES,
            log or self.log,
            self.progress,
            self.folder / "spool",
            self.clock,
            store_seconds=store_seconds,
        )

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ingest(self, path: Path, **more: Any) -> FileReport:
        """Take a file in."""
        return asyncio.run(self.bulk().ingest(path, lambda *_: None, **more))

    def row(self, customer_id: str) -> dict[str, float]:
        """Return a customer's features by name."""
        profile = asyncio.run(self.store.get(CustomerId(customer_id)))
        row = FEATURES.read(profile, at_ms=self.clock()).features.tolist()
        return dict(zip(FEATURES.names, row, strict=True))

    def logged(self) -> list[dict[str, Any]]:
        """Return the log's events."""
        return self.log.scan(LogTable.EVENTS).collect().to_dicts()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)
