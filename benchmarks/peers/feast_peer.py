"""Feast, driven line by line: one JSON request in, one JSON answer out.

Runs under the Python of Feast's own environment. Every online variant reads one entity by its
feature service, with the registry cached for ever; what differs is said in ``VARIANTS``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import uvloop
from answering import answer_calls
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.repo_config import RegistryConfig
from feast.types import Float32, Float64, String
from feast.value_type import ValueType

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")

SERIALIZATION = 3
CHUNK = 1_000
ENTITY = "customer_id"
VARIANTS = {
    "feature service": ("redis", False, 0),
    "feature service, async": ("redis", False, 1),
    "feature service, async, 64 at once": ("redis", False, 64),
    "feature service, glide": ("glide", False, 0),
    "precomputed vector": ("redis", True, 0),
    "precomputed vector, glide": ("glide", True, 0),
}
"""Redis client, whether the service is precomputed, coroutines (0 = the synchronous call)."""


class Peer:
    """One Feast repository and its stores."""

    def __init__(self) -> None:
        self._stores: dict[str, FeatureStore] = {}
        self._services: dict[bool, FeatureService] = {}
        self._loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def about(self) -> dict[str, Any]:
        """Say which versions answer."""
        packages = ("feast", "redis", "hiredis", "duckdb", "protobuf", "pandas", "numpy")
        found = {name: version(name) for name in packages}
        with suppress(Exception):
            found["valkey-glide-sync"] = version("valkey-glide-sync")
        return {"versions": found, "python": sys.version.split()[0]}

    def online_setup(
        self, folder: str, port: int, customers: str, views: list[list[str]], precompute: bool
    ) -> dict[str, Any]:
        """Declare the views and write every customer of a ``.npz`` (ids, names, values)."""
        data = np.load(customers, allow_pickle=False)
        entity = Entity(name=ENTITY, join_keys=[ENTITY], value_type=ValueType.STRING)
        declared = []
        frames = {}
        columns = {name: index for index, name in enumerate(data["names"].tolist())}
        moment = datetime.now(UTC)
        for number, names in enumerate(views):
            frame = pd.DataFrame(
                {name: data["values"][:, columns[name]] for name in names}, dtype=np.float32
            )
            frame[ENTITY] = data["ids"].astype(object)
            frame["event_timestamp"] = moment
            path = Path(folder) / f"view_{number}.parquet"
            frame.head(0).to_parquet(path)
            view = FeatureView(
                name=f"view_{number}",
                entities=[entity],
                schema=[Field(name=name, dtype=Float32) for name in names],
                source=FileSource(path=str(path), timestamp_field="event_timestamp"),
                online=True,
            )
            declared.append(view)
            frames[view.name] = frame
        for client in ("redis", "glide"):
            self._stores[client] = self._store(folder, port, client)
        self._services = {False: FeatureService(name="model", features=declared)}
        if precompute:
            self._services[True] = FeatureService(
                name="model_precomputed", features=declared, precompute_online=True
            )
        store = self._stores["redis"]
        store.apply([entity, *declared, *self._services.values()])
        for name, frame in frames.items():
            for start in range(0, len(frame), CHUNK):
                store.write_to_online_store(name, frame.iloc[start : start + CHUNK])
        if precompute:
            store.precompute_feature_service("model_precomputed")
        gc.collect()
        gc.freeze()
        return {"customers": len(data["ids"])}

    @staticmethod
    def _store(folder: str, port: int, client: str) -> FeatureStore:
        config = RepoConfig(
            project="bench",
            provider="local",
            registry=RegistryConfig(path=f"{folder}/registry.db", cache_ttl_seconds=0),
            online_store=RedisOnlineStoreConfig(
                connection_string=f"127.0.0.1:{port}", client=client, skip_dedup=True
            ),
            offline_store=DuckDBOfflineStoreConfig(),
            entity_key_serialization_version=SERIALIZATION,
        )
        return FeatureStore(config=config)

    def online_variants(self, customer: str) -> dict[str, Any]:
        """Say which variants answer here; the others need what is not installed."""
        usable = []
        for name in VARIANTS:
            try:
                self.online_row(name, customer)
            except Exception as error:  # noqa: BLE001
                print(f"{name}: {error}", file=sys.stderr)
            else:
                usable.append(name)
        return {"variants": usable}

    def online_row(self, variant: str, customer: str) -> dict[str, Any]:
        """Read one customer and give name and value of each feature."""
        client, precomputed, tasks = VARIANTS[variant]
        if tasks:
            response = self._loop.run_until_complete(
                self._stores[client].get_online_features_async(**self._ask(precomputed, customer))
            )
        else:
            response = self._stores[client].get_online_features(**self._ask(precomputed, customer))
        answer = {name.rsplit("__", 1)[-1]: value for name, (value,) in response.to_dict().items()}
        del answer[ENTITY]
        return {"row": answer}

    def _ask(self, precomputed: bool, customer: str) -> dict[str, Any]:
        return {
            "features": self._services[precomputed],
            "entity_rows": [{ENTITY: customer}],
            # A precomputed vector is stored under full names and refused under short ones.
            "full_feature_names": precomputed,
        }

    def online_read(self, variant: str, customers: list[str], seconds: float) -> dict[str, Any]:
        """Read customers in turn for so long; no turning of the answer into numbers is timed."""
        client, precomputed, tasks = VARIANTS[variant]
        store = self._stores[client]
        asked: Iterator[str] = cycle(customers)
        reads = 0
        started = time.perf_counter()
        until = started + seconds
        if tasks == 0:
            while time.perf_counter() < until:
                store.get_online_features(**self._ask(precomputed, next(asked)))
                reads += 1
        else:

            async def read() -> int:
                done = 0
                while time.perf_counter() < until:
                    await store.get_online_features_async(**self._ask(precomputed, next(asked)))
                    done += 1
                return done

            async def run() -> int:
                return sum(await asyncio.gather(*[read() for _ in range(tasks)]))

            reads = self._loop.run_until_complete(run())
        return {"reads": reads, "seconds": time.perf_counter() - started}

    def offline_join(
        self, folder: str, features: str, entities: str, numbers: list[str], words: list[str]
    ) -> dict[str, Any]:
        """Join precomputed features point in time by the DuckDB offline store."""
        entity = Entity(name=ENTITY, join_keys=[ENTITY], value_type=ValueType.INT64)
        view = FeatureView(
            name="baskets",
            entities=[entity],
            schema=[
                *[Field(name=name, dtype=Float64) for name in numbers],
                *[Field(name=name, dtype=String) for name in words],
            ],
            source=FileSource(path=features, timestamp_field="event_timestamp"),
            online=False,
        )
        store = self._store(folder, 1, "redis")
        store.apply([entity, view])
        asked = pd.read_parquet(entities)
        started = time.perf_counter()
        job = store.get_historical_features(
            entity_df=asked, features=[f"baskets:{name}" for name in [*numbers, *words]]
        )
        table = job.to_arrow()
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return {"seconds": seconds, "rows": table.num_rows, "peak_gb": peak}


if __name__ == "__main__":
    answer_calls(Peer())
