"""Counting in a contact history: which entries a selector selects, and which belong together.

What the kinds that look back share. Selectors become masks over the catalog when a plan is
compiled; in a decision each entry is looked up once, whatever number of policies there is.

What the catalog no longer knows is looked up as the last of its column, and each selector says
whether it selects that: a cap counts it, since it may have been selected, and a sequence does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Catalog, Content, Placement
from nba.domain.history import ACTION, CONTACT, CONTENT, PLACEMENT, TAG, WHAT, outcome_code
from nba.domain.ids import MAX_ID_LENGTH, NO_ACTION, hash32
from nba.domain.policy import Selector
from nba.policies.kind import Problem
from nba.policies.selection import select_actions, select_contents, select_placements

DECISION = "decision"
"""Counts contacts themselves, where another word is the kind of an outcome of them."""

SHORTEST_WINDOW = timedelta(minutes=1)
LONGEST_WINDOW = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Counted:
    """A selector of entries, and whether it selects what the catalog no longer knows."""

    selector: Selector
    unknown: bool


class Selections(NamedTuple):
    """Which entries each of some selectors selects, as the kernels are given it.

    ``known`` are the codes of all actions, then placements, then contents, each sorted;
    ``known_starts`` is where each of the three begins, ``(4,)``. ``masks`` is
    ``(n_codes + 3, n_selectors) bool``, a row more at the end of each of the three for what is not
    among them. An entry is selected where the masks of all its three parts are true.
    """

    known: NDArray[np.uint32]
    known_starts: NDArray[np.int64]
    masks: NDArray[np.bool_]

    @property
    def action_codes(self) -> NDArray[np.uint32]:
        """The codes of actions, in the order of their masks."""
        return self.known[: self.known_starts[1]]


def select_entries(counted: Sequence[Counted], catalog: Catalog) -> Selections:
    """Compile selectors for the whole catalog: contacts count wherever they were made."""
    said = np.array([not action.is_no_action for action in catalog.actions], dtype=np.bool_)
    actions = [action for action in catalog.actions if not action.is_no_action]
    unknown = np.array([item.unknown for item in counted], dtype=np.bool_)
    of_actions = [_action_mask(item.selector, catalog)[said] for item in counted]
    of_placements = [select_placements(item.selector, catalog.placements) for item in counted]
    of_contents = [select_contents(item.selector, catalog.contents) for item in counted]
    # A selector that names no contents selects entries whatever their content is.
    any_content = np.array([not item.selector.is_about_contents for item in counted], np.bool_)
    parts = [
        _sorted(
            [*(hash32(action.id) for action in actions), hash32(NO_ACTION)],
            [np.append(mask, [False]) for mask in of_actions],
            unknown,
        ),
        _sorted(_codes(catalog.placements), of_placements, unknown),
        _sorted(_codes(catalog.contents), of_contents, unknown | any_content),
    ]
    return Selections(
        np.concatenate([codes for codes, _ in parts]),
        np.cumsum([0, *(len(codes) for codes, _ in parts)], dtype=np.int64),
        np.ascontiguousarray(np.vstack([masks for _, masks in parts])),
    )


def _codes(items: Sequence[Placement] | Sequence[Content]) -> list[int]:
    return [hash32(item.id) for item in items]


def _action_mask(selector: Selector, catalog: Catalog) -> NDArray[np.bool_]:
    """Select actions; where contents are named, only those that have one of them."""
    mask = select_actions(selector, catalog.actions)
    if selector.is_about_contents:
        shown_for = {item.action for item in catalog.contents if selector.matches_content(item)}
        mask &= np.array([action.id in shown_for for action in catalog.actions], dtype=np.bool_)
    return mask


def _sorted(
    codes: Sequence[int], masks: Sequence[NDArray[np.bool_]], unknown: NDArray[np.bool_]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return codes in order, and by selector what is selected of them and of what is unknown."""
    as_array = np.array(codes, dtype=np.uint32)
    order = np.argsort(as_array)
    known = np.array(masks, dtype=np.bool_).reshape(len(masks), len(codes))[:, order].T
    return as_array[order], np.vstack([known, unknown])


def what_code(counting: str) -> int:
    """Return what an entry is that is counted: a contact, or an outcome of a kind."""
    return CONTACT if counting == DECISION else outcome_code(counting)


def name_problems(field: str, names: Iterable[str]) -> Iterator[Problem]:
    """Refuse names of outcomes or events that nothing reported could ever have."""
    for name in names:
        if not 1 <= len(name) <= MAX_ID_LENGTH or name.strip() != name:
            found = f"{field} {name!r}"
            yield Problem(field, found, f"a name of 1 to {MAX_ID_LENGTH} characters")


def whole_seconds(duration: timedelta) -> int:
    """Return a duration in seconds, to the second above."""
    return -int(-duration.total_seconds() // 1)


def in_words(duration: timedelta) -> str:
    """Return a duration for a sentence.

    >>> in_words(timedelta(days=7)), in_words(timedelta(hours=12))
    ('7 days', '12:00:00')
    """
    return str(duration).removesuffix(", 0:00:00")


def flat(lists: Sequence[Sequence[int]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return lists of codes as one, and where each begins, ``(n_lists + 1,)``."""
    ends = np.cumsum([0, *(len(codes) for codes in lists)])
    codes = np.array([code for codes in lists for code in codes], dtype=np.uint32)
    return codes, ends.astype(np.int64)


@numba.njit(cache=True)
def position(codes: Any, code: int) -> int:
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
def places(table: Any, known: Any, known_starts: Any) -> NDArray[np.int64]:
    """Return the rows of action, placement and content of entries in the masks, ``(n, 3)``."""
    found = np.empty((table.shape[0], 3), dtype=np.int64)
    columns = (ACTION, PLACEMENT, CONTENT)
    for part in range(3):
        codes = known[known_starts[part] : known_starts[part + 1]]
        first = known_starts[part] + part
        for entry in range(table.shape[0]):
            found[entry, part] = first + position(codes, table[entry, columns[part]])
    return found


@numba.njit(cache=True)
def selects(masks: Any, selector: int, place: Any) -> bool:
    """Say whether a selector selects an entry, given its row of :func:`places`."""
    if not masks[place[0], selector]:
        return False
    if not masks[place[1], selector]:
        return False
    return bool(masks[place[2], selector])


@numba.njit(cache=True)
def is_among(code: int, codes: Any) -> bool:
    """Say whether a code is one of a few."""
    for index in range(codes.shape[0]):  # noqa: SIM110 - numba compiles no generators
        if codes[index] == code:
            return True
    return False


@numba.njit(cache=True)
def groups(table: Any, by_what: bool) -> NDArray[np.int64]:  # noqa: FBT001
    """Return by entry a number that a contact and its outcomes share, and nothing else has.

    They have tag, action, placement and content in common, and ``by_what`` what they are too, which
    leaves only what was told twice. The number is the index of the first of them, so numbers are
    below that of entries. Where one part of them is not known they stay apart, and a contact counts
    as if nothing had come of it.
    """
    n = table.shape[0]
    size = 4
    while size < 2 * n:
        size *= 2
    slots = np.full(size, -1, dtype=np.int64)
    group = np.empty(n, dtype=np.int64)
    for entry in range(n):
        slot = np.int64(table[entry, TAG]) % size
        while slots[slot] >= 0 and not _is_one(table, slots[slot], entry, by_what):
            slot = (slot + 1) % size
        if slots[slot] < 0:
            slots[slot] = entry
        group[entry] = slots[slot]
    return group


@numba.njit(cache=True)
def _is_one(table: Any, one: int, other: int, by_what: bool) -> bool:  # noqa: FBT001
    return (
        table[one, TAG] == table[other, TAG]
        and table[one, ACTION] == table[other, ACTION]
        and table[one, PLACEMENT] == table[other, PLACEMENT]
        and table[one, CONTENT] == table[other, CONTENT]
        and (not by_what or table[one, WHAT] == table[other, WHAT])
    )
