"""Sequences that can never be kept: what waits for itself, or for what it excludes.

Looked at together: every action starts as one that can never be said, and can be said once each
sequence that holds it back waits for something that can. What is left over waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Catalog
from nba.domain.policy import Selector
from nba.errors import Fault
from nba.policies.kinds import Exclusion, SequencePolicy
from nba.policies.loader import LocatedPolicy, PolicySet
from nba.policies.order import concerns
from nba.policies.selection import select_actions, select_placements


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sequence; masks are ``(n_actions, n_placements)``: what waits, and for what."""

    located: LocatedPolicy
    policy: SequencePolicy
    waits: NDArray[np.bool_]
    awaited: NDArray[np.bool_]


def sequence_faults(policies: PolicySet, catalog: Catalog) -> Iterator[Fault]:
    """Yield a fault for every sequence policy that keeps something from ever being said.

    All sequence policies are looked at together, and exclusions with a window at least as long as
    a sequence's own: what it waits for then always excludes what waits.
    """
    waiting = [
        _Waiting(located, policy, _held(policy, catalog), _pairs(policy.after, catalog))
        for located in policies
        if isinstance(policy := located.policy, SequencePolicy)
    ]
    exclusions = [
        (located.policy, _held(located.policy, catalog))
        for located in policies
        if isinstance(located.policy, Exclusion) and not located.policy.is_about_contents
    ]
    sayable = _sayable(waiting, catalog)
    for item in waiting:
        # What selects nothing at all is a fault of its own.
        if not item.awaited.any():
            continue
        stuck = item.waits & ~sayable
        if not (item.awaited & sayable).any() and stuck.any():
            start = int(np.flatnonzero(stuck.any(axis=1))[0])
            found = f"{_circle(start, waiting, sayable, catalog)}: it can never be said"
            expected = "break the circle, or let it also wait for something else"
            yield Fault(item.located.place("after"), found, expected)
            continue
        for exclusion, members in exclusions:
            action = _excluded(item, exclusion, members)
            if action is not None:
                found = (
                    f"{catalog.actions[action].id} waits for what the exclusion {exclusion.id!r} "
                    f"never lets it be said with: it can never be said"
                )
                expected = f"make within longer than the window {exclusion.window}, or exclude less"
                yield Fault(item.located.place("after"), found, expected)


def _pairs(selector: Selector, catalog: Catalog) -> NDArray[np.bool_]:
    """Return which pairs of action and placement a selector selects."""
    actions = select_actions(selector, catalog.actions)
    return np.outer(actions, select_placements(selector, catalog.placements))


def _held(policy: SequencePolicy | Exclusion, catalog: Catalog) -> NDArray[np.bool_]:
    """Return which pairs a policy may hold back."""
    selector = policy.applies_to
    concerned = [concerns(policy.kind, selector, action) for action in catalog.actions]
    return _pairs(selector, catalog) & np.array(concerned, dtype=np.bool_)[:, None]


def _sayable(waiting: Sequence[_Waiting], catalog: Catalog) -> NDArray[np.bool_]:
    sayable = np.zeros((len(catalog.actions), len(catalog.placements)), dtype=np.bool_)
    while True:
        now = np.ones_like(sayable)
        for item in waiting:
            if not (item.awaited & sayable).any():
                now &= ~item.waits
        if (now == sayable).all():
            return sayable
        sayable = now


def _circle(
    start: int, waiting: Sequence[_Waiting], sayable: NDArray[np.bool_], catalog: Catalog
) -> str:
    """Say what waits for what, from an action until one comes again."""
    path = [start]
    while path.count(path[-1]) == 1:
        stuck = next(
            item
            for item in waiting
            if item.waits[path[-1]].any() and not (item.awaited & sayable).any()
        )
        path.append(int(np.flatnonzero(stuck.awaited.any(axis=1))[0]))
    names = [catalog.actions[action].id for action in path]
    return f"{names[0]} waits for " + ", which waits for ".join(names[1:])


def _excluded(item: _Waiting, exclusion: Exclusion, members: NDArray[np.bool_]) -> int | None:
    """Return the first action that waits only for what excludes it, ``None`` where none does."""
    if exclusion.window is None or exclusion.window < item.policy.within:
        return None
    if (item.awaited & ~members).any():
        return None
    for action in np.flatnonzero((item.waits & members).any(axis=1)).tolist():
        if not item.awaited[action].any():
            return int(action)
    return None
