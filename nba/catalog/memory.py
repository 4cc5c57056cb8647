"""Control store in memory: for tests, and for deciding without anything to keep."""

from __future__ import annotations

from collections.abc import Mapping

from nba.catalog.memory_control import MemoryHistory
from nba.catalog.store import PlanRow, Snapshot
from nba.errors import ConflictError


class MemoryControlStore(MemoryHistory):
    """Keeps everything in dictionaries; safe to use from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._plans: dict[str, PlanRow] = {}
        self._layouts: dict[int, bytes] = {}
        self._snapshots: dict[int, Snapshot] = {}

    def save_plan(
        self, version: str, artifact: bytes, *, note: str, author: str, at_ms: int
    ) -> None:
        """Save a plan."""
        with self._lock:
            if self._artifacts.setdefault(version, artifact) != artifact:
                raise ConflictError(f"plan {version} is already saved with another artifact")
            row = PlanRow(
                version=version, note=note, author=author, at_ms=at_ms, bytes=len(artifact)
            )
            self._plans.setdefault(version, row)

    def plan(self, version: str) -> bytes | None:
        """Return a plan's artifact."""
        return self._artifacts.get(version)

    def plans(self, limit: int) -> list[PlanRow]:
        """Return the latest plans, newest first."""
        with self._lock:
            saved = list(self._plans.values())
        return saved[::-1][:limit]

    def save_layout(self, layout_id: int, data: bytes) -> None:
        """Save a layout."""
        with self._lock:
            if self._layouts.setdefault(layout_id, data) != data:
                raise ConflictError(f"layout {layout_id} is already saved with other data")

    def layouts(self) -> dict[int, bytes]:
        """Return every layout ever saved, by id."""
        with self._lock:
            return dict(self._layouts)

    def save_snapshot(
        self, sequence: int, key: str, state: bytes, positions: Mapping[str, str], at_ms: int
    ) -> None:
        """Save a learner's state."""
        snapshot = Snapshot(
            sequence=sequence, key=key, state=state, positions=dict(positions), at_ms=at_ms
        )
        with self._lock:
            held = self._snapshots.setdefault(sequence, snapshot)
        if (held.key, held.state, held.positions) != (key, state, snapshot.positions):
            raise ConflictError(f"snapshot {sequence} is already saved with another state")

    def snapshot(self, sequence: int) -> Snapshot | None:
        """Return one snapshot."""
        return self._snapshots.get(sequence)

    def latest_snapshot(self, key: str) -> Snapshot | None:
        """Return the snapshot of a key with the highest sequence."""
        with self._lock:
            of_key = [held for held in self._snapshots.values() if held.key == key]
        return max(of_key, key=lambda held: held.sequence, default=None)

    def prune_snapshots(self, keep_since_ms: int) -> int:
        """Drop old snapshots, but of each key never the one that was the latest at that time."""
        with self._lock:
            old = [held for held in self._snapshots.values() if held.at_ms < keep_since_ms]
            latest: dict[str, int] = {}
            for held in old:
                latest[held.key] = max(held.sequence, latest.get(held.key, held.sequence))
            dropped = [held.sequence for held in old if held.sequence != latest[held.key]]
            for sequence in dropped:
                del self._snapshots[sequence]
        return len(dropped)

    def close(self) -> None:
        """Nothing to release."""
