"""What is sensitive in a feature set: no log shows it in clear, no model sees it unasked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from nba.features.feature_set import FeatureSet

SENSITIVE = "sensitive"
"""Tag of features that are sensitive."""

_KEPT = 8


@lru_cache(maxsize=_KEPT)
def sensitive_names(features: FeatureSet) -> frozenset[str]:
    """Return the names of the features tagged :data:`SENSITIVE`."""
    return frozenset(item.name for item in features.definitions if SENSITIVE in item.tags)


@lru_cache(maxsize=_KEPT)
def sensitive_properties(features: FeatureSet) -> Mapping[str, frozenset[str]]:
    """Return the sensitive properties of each event that has any."""
    return {
        name: frozenset(event.sensitive)
        for name, event in features.events.items()
        if event.sensitive
    }


def is_sensitive(column: str, names: frozenset[str]) -> bool:
    """Say whether a column is of a sensitive feature; that of a set has one for each value.

    >>> is_sensitive("faith[none]", frozenset({"faith"}))
    True
    """
    return column in names or column.partition("[")[0] in names


def named_in(given: Iterable[str], names: frozenset[str]) -> tuple[str, ...]:
    """Return which of the names given are among ``names``, in order."""
    return tuple(name for name in given if name in names) if names else ()
