"""Read a profile packed under an older layout: attributes by name, aggregates by what they compute.

What the older layout did not have, or had with another type, starts missing or empty.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from nba.features.definitions import FeatureType
from nba.features.layout import StoredAttribute, StoredLayout
from nba.features.profile import Profile, ProfileCodec


def migrate(profile: Profile, old: StoredLayout, target: ProfileCodec) -> Profile:
    """Return the profile under another layout; versions, consents and the rest stay."""
    new = target.layout
    moved = target.empty()
    before = {attribute.name: i for i, attribute in enumerate(old.attributes)}
    for i, attribute in enumerate(new.attributes):
        j = before.get(attribute.name)
        if j is not None:
            moved.attributes[i] = _translated(
                float(profile.attributes[j]), old.attributes[j], attribute
            )
    sums, kept = moved.sums, profile.sums
    for i, j in _same(old.recencies, new.recencies):
        sums.recencies[i] = kept.recencies[j]
    for i, j in _same(old.totals, new.totals):
        sums.totals[i] = kept.totals[j]
    for i, j in _same(old.windows, new.windows):
        sums.cells[i] = kept.cells[j]
        sums.last[i] = kept.last[j]
    moved.version, moved.guard_version = profile.version, profile.guard_version
    moved.consents = profile.consents
    moved.time_zone, moved.locale = profile.time_zone, profile.locale
    return moved


def _same(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int]]:
    before = {key: j for j, key in enumerate(old)}
    return [(i, before[key]) for i, key in enumerate(new) if key in before]


def _translated(value: float, old: StoredAttribute, new: StoredAttribute) -> float:
    if old.type != new.type or np.isnan(value):
        return np.nan
    if new.type != FeatureType.ENUM:
        return value
    word = old.values[int(value)]
    return float(new.values.index(word)) if word in new.values else np.nan
