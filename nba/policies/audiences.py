"""Audiences as policies name them: segments of the features, and uploaded lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nba.domain.audience import Audiences
from nba.domain.catalog import Catalog
from nba.expressions import Schema
from nba.policies.situation import Situation
from nba.policies.suggestions import nearest

SEGMENT_PREFIX = "segment."
"""What the symbol of a segment begins with."""


@dataclass(frozen=True, slots=True)
class Among:
    """Whether somebody is in any of some audiences.

    ``columns`` are those of segments in the situation row, ``codes`` those of lists in a profile.
    """

    columns: tuple[int, ...]
    codes: frozenset[int]

    def holds(self, situation: Situation) -> bool | None:
        """Say whether the customer is in any; ``None`` where data is missing to say so."""
        if not self.codes.isdisjoint(situation.consents):
            return True
        answers = situation.symbols[list(self.columns)].tolist() if self.columns else []
        if 1.0 in answers:
            return True
        return None if any(answer != 0.0 for answer in answers) else False


def compile_audiences(names: Iterable[str], catalog: Catalog, schema: Schema) -> Among:
    """Return what tells who is in any of the audiences; a list covers all lists below it."""
    lists = Audiences.of(catalog.taxonomy)
    segments = [symbol for name in names if (symbol := schema.get(SEGMENT_PREFIX + name))]
    codes = frozenset(code for name in names for code in lists.within(name))
    return Among(tuple(symbol.column for symbol in segments), codes)


def audience_fault(name: str, catalog: Catalog, schema: Schema) -> tuple[str, str] | None:
    """Return what is wrong with the name of an audience and what is expected, if anything."""
    lists = Audiences.of(catalog.taxonomy).names
    is_segment = SEGMENT_PREFIX + name in schema
    if is_segment and name in lists:
        found = f"audience {name!r} is both a segment and an uploaded list"
        return found, "call one of them otherwise"
    if is_segment or name in lists:
        return None
    segments = [
        path.removeprefix(SEGMENT_PREFIX) for path in schema if path.startswith(SEGMENT_PREFIX)
    ]
    return f"unknown audience {name!r}", nearest(name, [*segments, *lists])
