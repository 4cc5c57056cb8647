"""Decisions as features: read from the contact history, so that they cost no write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.history import ACTION, AT_S, CONTACT, PLACEMENT, WHAT, ContactHistory
from nba.features.aggregates import TILES_PER_WINDOW

COUNT_CONTACTS = 0
CONTACT_RECENCY = 1
DECAYED_CONTACTS = 2

_SECONDS_PER_DAY = 86_400.0


class ContactPlan(NamedTuple):
    """Which contacts move which columns.

    Attributes
    ----------
    actions, placements
        ``(n,) int64``, sorted: codes of all the catalog has.
    specs
        ``(n_specs, 3) int64``: function, tile seconds, half-life in seconds.
    columns
        ``(n_specs, n_actions + 1, n_placements + 1) int64``: the column that a contact with them
        moves, -1 for none; the last of each is for what the catalog does not know.

    """

    actions: NDArray[np.int64]
    placements: NDArray[np.int64]
    specs: NDArray[np.int64]
    columns: NDArray[np.int64]


def read_contacts(
    history: ContactHistory, now_seconds: float, plan: ContactPlan, row: NDArray[np.float32]
) -> None:
    """Set the columns of a row, which holds their defaults, from a contact history."""
    if len(plan.specs) and len(history):
        _read(np.ascontiguousarray(history.table), now_seconds, plan, row)


@numba.njit(cache=True)
def _position(codes: Any, code: int) -> int:
    i = np.searchsorted(codes, code)
    return int(i) if i < len(codes) and codes[i] == code else len(codes)


@numba.njit(cache=True)
def _read(table: Any, now_seconds: float, plan: ContactPlan, row: Any) -> None:
    values = np.full(len(row), np.nan)
    for contact in range(len(table)):
        if table[contact, WHAT] != CONTACT:
            continue
        second = np.int64(table[contact, AT_S])
        action = _position(plan.actions, np.int64(table[contact, ACTION]))
        placement = _position(plan.placements, np.int64(table[contact, PLACEMENT]))
        for i in range(len(plan.specs)):
            column = plan.columns[i, action, placement]
            function, tile_seconds, half_life = plan.specs[i]
            if column < 0:
                continue
            if tile_seconds > 0 and (
                second // tile_seconds <= np.int64(now_seconds // tile_seconds) - TILES_PER_WINDOW
            ):
                continue
            before = values[column]
            if function == CONTACT_RECENCY:
                days = max(now_seconds - second, 0.0) / _SECONDS_PER_DAY
                values[column] = days if np.isnan(before) else min(before, days)
                continue
            amount = 1.0
            if function == DECAYED_CONTACTS:
                amount = 2.0 ** (-(now_seconds - second) / half_life)
            values[column] = amount if np.isnan(before) else before + amount
    for column in range(len(row)):
        if not np.isnan(values[column]):
            row[column] = values[column]
