"""Point-in-time features of a grocer's receipts, and Feast's join of the same beside them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.features.datasets import just_before_baskets, receipt_lines
from benchmarks.features.definitions import COMPLETEJOURNEY, load
from benchmarks.peer_process import peer_process
from benchmarks.report import figure
from nba.features.offline import PREFIX

CORES = "0,1"


@dataclass(slots=True)
class Offline:
    """What the rounds took: seconds, and the most memory of any."""

    events: int = 0
    moments: int = 0
    features: int = 0
    ours_seconds: list[float] = field(default_factory=list)
    ours_peak_gb: float = 0.0
    feast_seconds: list[float] = field(default_factory=list)
    feast_peak_gb: float = 0.0


def measure(folder: Path, with_feast: bool, *, rounds: int, households: int | None) -> Offline:
    """Compute all rows in turn with Feast's join of them; Feast is left out without its Python."""
    events, moments, rows = (folder / f"{n}.parquet" for n in ("events", "moments", "rows"))
    lines, asked = receipt_lines(households), just_before_baskets(households)
    lines.write_parquet(events)
    asked.write_parquet(moments)
    features = load(COMPLETEJOURNEY)
    found = Offline(lines.height, asked.height, len(features.names))
    del lines
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.features.offline_child", COMPLETEJOURNEY]
        done = subprocess.run(
            [*command, str(events), str(moments), str(rows)],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        told = json.loads(done.stdout)
        if told["rows"] != found.moments:
            raise SystemExit(f"{told['rows']} rows for {found.moments} moments")
        found.ours_seconds.append(told["seconds"])
        found.ours_peak_gb = max(found.ours_peak_gb, told["peak_gb"])
        if with_feast:
            _join_by_feast(folder, rows, found)
    return found


def _join_by_feast(folder: Path, rows: Path, found: Offline) -> None:
    """Give Feast our rows as precomputed features, and have it join them to the same moments."""
    features, entities = folder / "precomputed.parquet", folder / "entities.parquet"
    frame = pl.read_parquet(rows).rename({"at": "event_timestamp"})
    frame = frame.with_columns(pl.col("customer_id").cast(pl.Int64))
    if not features.exists():
        kept = frame.rename(lambda name: name.removeprefix(PREFIX))
        kept.unique(["customer_id", "event_timestamp"], keep="last").write_parquet(features)
        frame.select("customer_id", "event_timestamp").write_parquet(entities)
    columns = {n: t for n, t in frame.schema.items() if n.startswith(PREFIX)}
    words = [n.removeprefix(PREFIX) for n, t in columns.items() if t == pl.String]
    numbers = [n.removeprefix(PREFIX) for n, t in columns.items() if t != pl.String]
    with peer_process("feast", PEER_CORES=CORES) as feast:
        told = feast.ask(
            "offline_join",
            folder=str(folder),
            features=str(features),
            entities=str(entities),
            numbers=numbers,
            words=words,
        )
    if told["rows"] != found.moments:
        raise SystemExit(f"Feast joined {told['rows']} rows for {found.moments} moments")
    found.feast_seconds.append(told["seconds"])
    found.feast_peak_gb = max(found.feast_peak_gb, told["peak_gb"])


def figures(found: Offline) -> list[dict[str, Any]]:
    """Return the figures."""
    what = (
        f"{found.events:,} receipt lines, {found.features} features at {found.moments:,} moments, "
        f"each just before a basket; median of {len(found.ours_seconds)}, a process each"
    )
    told = [
        figure(
            "offline, point in time",
            statistics.median(found.ours_seconds),
            "s",
            f"{what}; reading the Parquet files included",
            at_most=60,
        ),
        figure("offline, peak memory", found.ours_peak_gb, "GB", what, at_most=4),
    ]
    if found.feast_seconds:
        how = "get_historical_features of the DuckDB store: joins features computed beforehand"
        told += [
            figure(
                "offline, Feast's join of the same",
                statistics.median(found.feast_seconds),
                "s",
                f"{how}; {what}",
            ),
            figure("offline, Feast's peak memory", found.feast_peak_gb, "GB", f"{how}; {what}"),
        ]
    return told
