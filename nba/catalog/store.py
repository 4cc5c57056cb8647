"""Control store: plans, objects, change sets, layouts, learner snapshots, the audit trail.

Cold path and synchronous; API replicas read from it and the worker writes to it, in processes of
their own. Every write is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from nba.catalog.audit import AuditStore
from nba.catalog.changes import ChangeStore
from nba.catalog.publications import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One saved plan, without its artifact; ``bytes`` is the artifact's length."""

    version: str
    note: str
    author: str
    at_ms: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A learner's state; ``positions`` says up to where in each stream it has learned."""

    sequence: int
    key: str
    state: bytes
    positions: Mapping[str, str]
    at_ms: int


class ControlStore(AuditStore, ObjectStore, ChangeStore, Protocol):
    """What is kept about the system itself, as opposed to its customers."""

    def save_plan(
        self, version: str, artifact: bytes, *, note: str, author: str, at_ms: int
    ) -> None:
        """Save a plan; saving the same one again changes nothing.

        Raises :class:`~nba.errors.ConflictError` where the version holds another artifact.
        """

    def plan(self, version: str) -> bytes | None:
        """Return a plan's artifact."""

    def plans(self, limit: int) -> list[PlanRow]:
        """Return the latest plans, newest first."""

    def save_layout(self, layout_id: int, data: bytes) -> None:
        """Save how packed records of a layout are read; saving the same again changes nothing.

        Raises :class:`~nba.errors.ConflictError` where the id holds other data.
        """

    def layouts(self) -> dict[int, bytes]:
        """Return every layout ever saved, by id."""

    def save_snapshot(
        self, sequence: int, key: str, state: bytes, positions: Mapping[str, str], at_ms: int
    ) -> None:
        """Save a learner's state under a sequence number unique over all keys.

        Saving the same again changes nothing; :class:`~nba.errors.ConflictError` where the
        sequence holds another state.
        """

    def snapshot(self, sequence: int) -> Snapshot | None:
        """Return one snapshot."""

    def latest_snapshot(self, key: str) -> Snapshot | None:
        """Return the snapshot of a key with the highest sequence."""

    def prune_snapshots(self, keep_since_ms: int) -> int:
        """Drop snapshots older than a moment; say how many.

        Of each key the one that was the latest at that moment stays: later snapshots of another
        key may name it.
        """

    def close(self) -> None:
        """Release connections."""
