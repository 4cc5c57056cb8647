"""What was observed of every action, the latest rows, for models that are fitted anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

_FIRST = 64


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """Observations of one action, oldest first.

    ``inputs`` ``(n, 1 + k)`` are the propensity model's logit and the situation's features,
    ``offsets`` ``(n,)`` what the online model's logit was before it learned from them, ``labels``
    and ``weights`` ``(n,)``; all float64.
    """

    inputs: NDArray[np.float64]
    offsets: NDArray[np.float64]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


class Memory:
    """Keeps the latest ``most`` observations of each action, ``width`` inputs each."""

    def __init__(self, width: int, most: int) -> None:
        self._width = width
        self._most = most
        self._rings: dict[str, _Ring] = {}

    def add(self, action_id: str, row: NDArray[np.float64]) -> None:
        """Keep one row ``(width + 3,)``: inputs, offset, label, weight."""
        ring = self._rings.get(action_id)
        if ring is None:
            ring = self._rings[action_id] = _Ring(self._width + 3, self._most)
        ring.add(row)

    def of(self, action_id: str) -> Remembered:
        """Return what is kept of an action."""
        ring = self._rings.get(action_id)
        rows = np.zeros((0, self._width + 3)) if ring is None else ring.rows()
        inputs, offsets, labels, weights = np.split(rows, [-3, -2, -1], axis=1)
        return Remembered(
            inputs.copy(), offsets[:, 0].copy(), labels[:, 0].copy(), weights[:, 0].copy()
        )

    def to_parts(self) -> dict[str, bytes]:
        """Return the rows of every action as bytes, little-endian float64."""
        return {name: ring.rows().astype("<f8").tobytes() for name, ring in self._rings.items()}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Read rows back; :class:`CorruptRecordError` where they have another width."""
        width = self._width + 3
        for action_id, part in parts.items():
            if len(part) % (8 * width):
                raise CorruptRecordError(f"rows remembered of {action_id!r} are not {width} wide")
            for row in np.frombuffer(part, "<f8").reshape(-1, width):
                self.add(action_id, row)

    def drop(self, action_ids: Collection[str]) -> None:
        """Forget some actions."""
        for action_id in action_ids:
            self._rings.pop(action_id, None)

    def keep(self, counts: Mapping[str, int]) -> None:
        """Forget all but the latest ``counts`` observations of each action."""
        for action_id in list(self._rings):
            kept = counts.get(action_id, 0)
            rows = self._rings[action_id].rows()
            self._rings[action_id] = ring = _Ring(self._width + 3, self._most)
            for row in rows[len(rows) - min(kept, len(rows)) :]:
                ring.add(row)


class _Ring:
    """Rows in a buffer that grows to its bound and then turns."""

    def __init__(self, width: int, most: int) -> None:
        self._rows = np.zeros((min(_FIRST, most), width))
        self._most = most
        self._seen = 0

    def add(self, row: NDArray[np.float64]) -> None:
        size = len(self._rows)
        if self._seen == size and size < self._most:
            more = min(size, self._most - size)
            self._rows = np.concatenate([self._rows, np.zeros((more, row.shape[0]))])
            size += more
        self._rows[self._seen % size] = row
        self._seen += 1

    def rows(self) -> NDArray[np.float64]:
        size = len(self._rows)
        if self._seen <= size:
            return self._rows[: self._seen]
        return np.roll(self._rows, -(self._seen % size), axis=0)
