"""The words by which candidates are grouped, as the catalog has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Placement
from nba.domain.ids import hash32
from nba.features.aggregates import InteractionFeature, parse_group
from nba.features.definitions import ActionSource, parse_term_source

LAUNCH = ActionSource.ACTION_DAYS_SINCE_LAUNCH
"""The one action source that time moves: a column for each date an action was launched on."""

_EPOCH = date(1970, 1, 1)


def word_of(source: str, action: Action, placement: Placement | None) -> str | None:
    """Return the word a source gives a candidate, ``None`` where it has none."""
    match source:
        case ActionSource.ACTION_ID:
            return action.id
        case ActionSource.ACTION_MESSAGE_CLASS:
            return action.message_class.value
        case ActionSource.ACTION_DAYS_SINCE_LAUNCH:
            return action.launched_on or None
    if source.startswith("placement."):
        return None if placement is None else _placement_word(source, placement)
    dimension, depth = parse_term_source(source)
    return action.term_in(dimension, depth=depth)


def words_of(
    source: str, actions: Iterable[Action], placements: Iterable[Placement]
) -> tuple[str, ...]:
    """Return all words a source gives these actions and placements, sorted."""
    if source.startswith("placement."):
        found: set[str | None] = {_placement_word(source, item) for item in placements}
    else:
        found = {word_of(source, action, None) for action in actions}
    return tuple(sorted(word for word in found if word is not None))


def launch_day(word: str) -> int:
    """Return the day of a launch, in days since 1970-01-01."""
    return (date.fromisoformat(word) - _EPOCH).days


def gather(
    columns: Mapping[str, int], source: str, actions: Sequence[Action], placement: Placement
) -> NDArray[np.intp]:
    """Return which column of the row each candidate reads, ``(n_actions,)``; -1 for none."""
    words = (word_of(source, action, placement) for action in actions)
    found = [-1 if word is None else columns.get(word, -1) for word in words]
    return np.array(found, dtype=np.intp)


def group_word(feature: InteractionFeature, action: Action, placement: Placement) -> str | None:
    """Return the group an interaction with an action in a placement belongs to."""
    by = feature.by or ""
    group = parse_group(by)
    if group is not None:
        return action.term_in(group[0], depth=group[1])
    return {"action": action.id, "placement": placement.id, "channel": placement.channel}[by]


def codes_of(names: Iterable[str]) -> NDArray[np.int64]:
    """Return the sorted codes under which a contact history has names."""
    return np.array(sorted(hash32(name) for name in names), dtype=np.int64)


def _placement_word(source: str, placement: Placement) -> str:
    match source:
        case ActionSource.PLACEMENT_ID:
            return placement.id
        case ActionSource.PLACEMENT_CHANNEL:
            return placement.channel
    return placement.direction.value
