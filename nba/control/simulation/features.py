"""Recorded feature rows for a plan whose features are others: by name, what is lacking missing.

Derived features and segments are computed again by the plan's own definitions, so that a segment
that a change moves is judged as it would be. What is measured otherwise under the same name (an
aggregate over another window) is taken as it was recorded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.features import FeatureSet
from nba.features.row import SEGMENT_PREFIX

Row = NDArray[np.float32]


class RowMap:
    """Takes rows of one feature set to another's.

    ``lacking`` names what the other set reads and the rows do not have.
    """

    def __init__(self, recorded: FeatureSet, wanted: FeatureSet) -> None:
        self._wanted = wanted
        self._length = len(recorded.names)
        places = {name: place for place, name in enumerate(recorded.names)}
        computed = {
            *(item.name for item in wanted.definitions if item.kind == "derived"),
            *(f"{SEGMENT_PREFIX}{segment.name}" for segment in wanted.segments),
        }
        self.lacking = tuple(
            str(name) for name in wanted.names if name not in places and name not in computed
        )
        self._same = _definitions(recorded) == _definitions(wanted)
        self._places = np.array([places.get(name, -1) for name in wanted.names], dtype=np.intp)
        self._codes = {
            column: _codes(recorded.categories.get(name, ()), wanted.categories[name])
            for column, name in enumerate(wanted.names)
            if name in wanted.categories
            and name in places
            and recorded.categories.get(name) != wanted.categories[name]
        }

    def fits(self, row: Row) -> bool:
        """Whether a row is one of the recorded set's."""
        return len(row) == self._length

    def __call__(self, row: Row) -> Row:
        """Return the row as the wanted set has it, ``(n_wanted,) float32``."""
        if self._same:
            return row
        found: Row = np.where(self._places >= 0, row[self._places], np.float32(np.nan))
        for column, codes in self._codes.items():
            code = found[column]
            if not np.isnan(code):
                found[column] = codes[int(code)]
        self._wanted.derive(found)
        return found


def _definitions(features: FeatureSet) -> tuple[object, ...]:
    return features.names, dict(features.categories), features.definitions, features.segments


def _codes(old: tuple[str, ...], new: tuple[str, ...]) -> list[float]:
    """Return for each old code the new one of the same word; NaN where it is no word any more."""
    known = {word: float(code) for code, word in enumerate(new)}
    return [known.get(word, np.nan) for word in old]
