"""Values computed from a row and put back into it: derived features, then segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.expressions import BoundValues, Expression, ValueType, compile_values, parse
from nba.features.definitions import DerivedFeature, SegmentDefinition
from nba.features.row import SEGMENT_PREFIX, Row

_NO_CANDIDATES = np.empty((0, 0))


class Stage(NamedTuple):
    """Expressions that need only what is in the row already, and the columns they fill."""

    program: BoundValues
    columns: NDArray[np.intp]


class Derivation:
    """Fills the columns of derived features and segments, which it adds to a row's layout.

    A derived value is rounded to float32 before another is computed from it, as everything in a
    row is, and so a condition sees the same number wherever it stands.
    """

    def __init__(
        self, row: Row, derived: Sequence[DerivedFeature], segments: Sequence[SegmentDefinition]
    ) -> None:
        for feature in derived:
            type_ = ValueType(feature.type)
            row.add(feature.name, np.nan, f"customer.{feature.name}", type_)
        for segment in segments:
            name = SEGMENT_PREFIX + segment.name
            row.add(name, np.nan, f"segment.{segment.name}", ValueType.BOOL)
        sources = {
            **{f"customer.{f.name}": (f.expression, ValueType(f.type)) for f in derived},
            **{f"segment.{s.name}": (s.condition, ValueType.BOOL) for s in segments},
        }
        parsed = {
            path: parse(text, row.symbols, expect=type_) for path, (text, type_) in sources.items()
        }
        self._stages = tuple(
            Stage(
                compile_values([parsed[path] for path in stage]).bind(_NO_CANDIDATES),
                np.array([row.symbols[path].column for path in stage], dtype=np.intp),
            )
            for stage in order(parsed)
        )

    def fill(self, row: NDArray[np.float32]) -> None:
        """Set the derived columns of a row from the others; beyond float32 is infinity."""
        for stage in self._stages:
            values, _ = stage.program.run(row.astype(np.float64))
            with np.errstate(over="ignore"):
                row[stage.columns] = values


def order(parsed: Mapping[str, Expression]) -> list[list[str]]:
    """Return the paths in stages, each needing only earlier ones.

    Raises :class:`CycleError` where some need one another.
    """
    needs = {
        path: {symbol.path for symbol in expression.symbols if symbol.path in parsed}
        for path, expression in parsed.items()
    }
    stages: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(needs):
        stage = sorted(path for path in needs if path not in done and needs[path] <= done)
        if not stage:
            raise CycleError(sorted(needs.keys() - done))
        stages.append(stage)
        done.update(stage)
    return stages


class CycleError(ValueError):
    """Derived features need one another in a circle; ``paths`` are those in or behind it."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"{', '.join(paths)} need one another")
        self.paths = tuple(paths)
