"""``contact_cap``: at most so many contacts in a rolling window, over any selector.

Contacts are kept to the second, so a contact may be up to a second older than it seems; the window
counts one second more rather than one contact too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Placement
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.history import ACTION, AT_S, CONTACT, PLACEMENT, WHAT
from nba.domain.ids import NO_ACTION, hash32
from nba.domain.policy import Selector
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.selection import select_actions, select_placements
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

SHORTEST_WINDOW = timedelta(minutes=1)
LONGEST_WINDOW = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCap(PolicyKind):
    """Drops everything selected once ``limit`` selected contacts lie within ``window``.

    Every recorded contact counts whose action and placement the selector selects, in whatever
    placement the decision is for. What the catalog no longer knows counts too, and where the
    history does not reach back far enough, nothing selected is said.
    """

    kind: Literal["contact_cap"] = "contact_cap"
    limit: int
    window: timedelta
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("contact_cap.reached", "as many contacts as allowed lie within the window"),
        Cause("contact_cap.unknown", "the contact history does not reach back far enough to count"),
    )

    @property
    def window_seconds(self) -> int:
        """The window, to the second above."""
        return -int(-self.window.total_seconds() // 1)

    def problems(self) -> Iterator[Problem]:
        """Refuse a cap of nothing, and windows that mean something else."""
        if self.limit < 1:
            expected = "at least 1; to say nothing at all, use an eligibility policy"
            yield Problem("limit", f"limit {self.limit}", expected)
        if not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 7d"
            yield Problem("window", f"window {self.window}", expected)

    def sentence(self, cause: int) -> str:
        """Say which number of contacts in which window."""
        window = str(self.window).removesuffix(", 0:00:00")
        rule = f"at most {self.limit} in {window}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"


def compile_caps(selected: Sequence[Selected[ContactCap]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy, counted over the whole catalog by one kernel."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    if not gates:
        return Stage(())
    catalog = surroundings.catalog
    counted = [item.policy.applies_to for item in selected]
    action_codes, action_masks = _action_masks(counted, catalog.actions)
    placement_codes, placement_masks = _placement_masks(counted, catalog.placements)
    bounds = np.array(
        [[item.policy.limit, item.policy.window_seconds] for item in selected], dtype=np.int64
    )
    first = surroundings.first_gate

    def close(situation: Situation, closed: NDArray[np.uint8], _: NDArray[np.uint8]) -> None:
        history = situation.history
        _count(
            history.table,
            history.complete_since_s,
            situation.at_ms // MILLISECONDS_PER_SECOND,
            action_codes,
            action_masks,
            placement_codes,
            placement_masks,
            bounds,
            closed,
            first,
        )

    return Stage(gates, close)


def _action_masks(
    selectors: Sequence[Selector], actions: Sequence[Action]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return sorted codes, and which are counted: the last column is of unknown actions."""
    known = [action for action in actions if not action.is_no_action]
    codes = np.array([hash32(action.id) for action in known] + [hash32(NO_ACTION)], np.uint32)
    order = np.argsort(codes)
    masks = [np.append(select_actions(selector, known), [False])[order] for selector in selectors]
    return codes[order], np.array([[*mask, True] for mask in masks], dtype=np.bool_)


def _placement_masks(
    selectors: Sequence[Selector], placements: Sequence[Placement]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return sorted codes, and which are counted: the last column is of unknown placements."""
    codes = np.array([hash32(placement.id) for placement in placements], dtype=np.uint32)
    order = np.argsort(codes)
    masks = [select_placements(selector, placements)[order] for selector in selectors]
    return codes[order], np.array([[*mask, True] for mask in masks], dtype=np.bool_)


@numba.njit(cache=True)
def _position(codes: Any, code: int) -> int:
    """Return where a code is in sorted codes; their number where it is not."""
    low = 0
    high = codes.shape[0]
    while low < high:
        middle = (low + high) // 2
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low if low < codes.shape[0] and codes[low] == code else codes.shape[0]


@numba.njit(cache=True)
def _count(
    contacts: Any,
    complete_since_s: int,
    now_s: int,
    action_codes: Any,
    action_masks: Any,
    placement_codes: Any,
    placement_masks: Any,
    bounds: Any,
    closed: Any,
    first: int,
) -> None:
    n_caps = bounds.shape[0]
    counts = np.zeros(n_caps, dtype=np.int64)
    for contact in range(contacts.shape[0]):
        if contacts[contact, WHAT] != CONTACT:
            continue
        at_s = np.int64(contacts[contact, AT_S])
        action = _position(action_codes, contacts[contact, ACTION])
        placement = _position(placement_codes, contacts[contact, PLACEMENT])
        for cap in range(n_caps):
            # A contact of the future counts: a clock that steps back must not lift a cap.
            if (
                at_s >= now_s - bounds[cap, 1]
                and action_masks[cap, action]
                and placement_masks[cap, placement]
            ):
                counts[cap] += 1
    for cap in range(n_caps):
        if counts[cap] >= bounds[cap, 0]:
            closed[first + cap] = FIRST_CAUSE
        elif complete_since_s > now_s - bounds[cap, 1]:
            closed[first + cap] = SECOND_CAUSE
