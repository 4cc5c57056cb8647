"""Reading one customer as a model row, beside a bare GET and Feast, on one server."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features.rounds import Samples, each, interleave, median, ratio
from benchmarks.peer_process import PeerProcess
from benchmarks.report import figure
from nba.domain.clock import Clock
from nba.domain.ids import CustomerId
from nba.features import FeatureSet
from nba.features.redis import RedisProfileStore
from nba.storage import Connection, Keys

AT_ONCE = 64
VIEWS = 5
OURS, BARE = "nba read", "bare GET"
_TURNS = 50_000


class Reader:
    """Our way of reading and the bare one, over customers at random."""

    def __init__(
        self,
        connection: Connection,
        features: FeatureSet,
        customer_ids: Sequence[str],
        clock: Clock,
        *,
        seed: int,
    ) -> None:
        keys = Keys()
        self._store = RedisProfileStore(connection, keys, clock)
        self._connection = connection
        self._features = features
        self._clock = clock
        self._ids = [CustomerId(one) for one in customer_ids]
        self._keys = [keys.profile(one) for one in customer_ids]
        self._random = random.Random(seed)
        self._order: list[int] = []

    def _next(self) -> int:
        if not self._order:
            self._order = self._random.choices(range(len(self._ids)), k=_TURNS)
        return self._order.pop()

    async def row(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Read one customer, ready for a model."""
        profile = await self._store.get(self._ids[self._next()])
        return self._features.read(profile, at_ms=self._clock()).features

    async def bare(self) -> object:
        """Get the same bytes and do nothing with them."""
        return await self._connection.execute("GET", self._keys[self._next()])


def introduce(
    features: FeatureSet,
    profiles: Mapping[str, bytes],
    feast: PeerProcess,
    folder: Path,
    *,
    url: str,
    at_ms: int,
) -> dict[str, str]:
    """Write every customer's row to Feast, which must read it back; return its versions."""
    rows = np.array(
        [features.read(packed, at_ms=at_ms).features for packed in profiles.values()],
        dtype=np.float32,
    )
    path = folder / "customers.npz"
    ids = list(profiles)
    np.savez(path, ids=np.array(ids), names=np.array(features.names), values=rows)
    feast.ask(
        "online_setup",
        folder=str(folder),
        port=int(url.rsplit(":", 1)[1]),
        customers=str(path),
        views=[list(features.names[start::VIEWS]) for start in range(VIEWS)],
        precompute=True,
    )
    for variant in feast.ask("online_variants", customer=ids[0])["variants"]:
        read = feast.ask("online_row", variant=variant, customer=ids[-1])["row"]
        theirs = [np.nan if read[n] is None else read[n] for n in features.names]
        if not np.array_equal(np.array(theirs, dtype=np.float32), rows[-1], equal_nan=True):
            raise SystemExit(f"Feast ({variant}) does not read what was written")
    versions: dict[str, str] = feast.ask("about")["versions"]
    return versions


async def measure(
    reader: Reader,
    feast: PeerProcess | None,
    customer_ids: Sequence[str],
    *,
    rounds: int,
    seconds: float,
) -> tuple[Samples, list[str]]:
    """Let all take turns; microseconds a read by contender, and Feast's variants."""
    contenders: dict[str, Any] = {}
    for at_once in (AT_ONCE, 1):
        for name, operation in ((OURS, reader.row), (BARE, reader.bare)):
            contenders[f"{name}, {at_once}"] = partial(
                each, operation, at_once=at_once, seconds=seconds
            )
    variants: list[str] = (
        [] if feast is None else feast.ask("online_variants", customer=customer_ids[0])["variants"]
    )
    asked = random.Random(1).choices(list(customer_ids), k=_TURNS // 10)

    async def theirs(variant: str) -> float:
        assert feast is not None  # noqa: S101
        answer = feast.ask("online_read", variant=variant, customers=asked, seconds=seconds)
        return float(1e6 * answer["seconds"] / answer["reads"])

    contenders |= {variant: partial(theirs, variant) for variant in variants}
    return await interleave(contenders, rounds), variants


def figures(samples: Samples, variants: Sequence[str], how: str) -> list[dict[str, Any]]:
    """Return the figures; Feast's is the best of its variants."""
    ours = f"{OURS}, {AT_ONCE}"
    told = []
    if variants:
        best = min(variants, key=partial(median, samples))
        told = [
            figure(
                f"read 50 features, {AT_ONCE} at once: Feast / nba",
                ratio(samples, best, ours),
                "ratio",
                f"Feast's best variant here: {best}; {how}",
                at_least=20,
            ),
            figure(
                "read 50 features, one at a time: Feast / nba",
                ratio(
                    samples,
                    min(_one_at_a_time(variants), key=partial(median, samples)),
                    f"{OURS}, 1",
                ),
                "ratio",
                f"best of Feast's variants that read one after the other; {how}",
            ),
        ]
    told += [
        figure(
            f"read 50 features, {AT_ONCE} at once: nba / bare GET",
            ratio(samples, ours, f"{BARE}, {AT_ONCE}"),
            "ratio",
            f"the same bytes through the same connection; {how}",
            at_most=1.5,
        ),
        figure(
            "read 50 features, one at a time: nba / bare GET",
            ratio(samples, f"{OURS}, 1", f"{BARE}, 1"),
            "ratio",
            how,
        ),
    ]
    told += [
        figure(f"{name} at once", median(samples, name), "µs", how)
        for name in samples
        if name not in variants
    ]
    told += [figure(f"Feast, {name}", median(samples, name), "µs", how) for name in variants]
    return told


def _one_at_a_time(variants: Sequence[str]) -> list[str]:
    return [name for name in variants if "at once" not in name]
