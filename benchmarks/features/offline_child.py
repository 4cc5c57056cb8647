"""One offline computation in a process of its own, so that its peak memory is its own.

Arguments: the feature set, the events and the moments as Parquet, and where the rows go. Prints
what it took as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.features.definitions import load
from nba.features.offline import point_in_time

_KB_PER_GB = 2**20


def main() -> None:
    name, events, moments, out = sys.argv[1:]
    features = load(name)
    started = time.perf_counter()
    rows = point_in_time(features, pl.read_parquet(events), pl.read_parquet(moments))
    seconds = time.perf_counter() - started
    rows.write_parquet(Path(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KB_PER_GB
    print(json.dumps({"seconds": seconds, "peak_gb": peak, "rows": rows.height}))


if __name__ == "__main__":
    main()
