"""From packed bytes to a row: the compiled loop that every read of a profile runs."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.features.aggregates import TILES_PER_WINDOW
from nba.features.cells import (
    ALL_TILES,
    CONTINUES,
    COUNT,
    CUT,
    DECAY,
    FIRST,
    HALF_LIFE,
    LAST,
    LIMIT,
    MIN,
    OP,
    SEEN,
    SUM,
    TILE_SECONDS,
    TILES_KEPT,
    load_f32,
    load_f64,
    load_u16,
    load_u32,
    skip_head,
)

CELLS_DIGEST = "ed0ead52e8b7fc04"
"""Of :mod:`nba.features.cells`, whose compiled code is called here: numba renews what it keeps on
disk only when the caller's file changes, and so this one changes with that."""

_SECONDS_PER_DAY = 86_400.0
_SIZES = 7
"""Numbers at the front of a flattened plan."""


class Readout(IntEnum):
    """How a column follows from slots; the columns of a readout are ``[kind, a, b, window, rank]``.

    ``VALUE`` is slot ``a``; ``MEAN`` slot ``a`` by slot ``b``; ``RECENCY`` and ``SINCE_FIRST`` days
    from the second kept in slot ``a``. ``RATIO`` is readout ``a`` by readout ``b``. ``TOP`` is the
    word of rank ``rank`` by value among ``b`` members from ``a`` on. ``GROUP`` and
    ``GROUP_RECENCY`` read known group ``a``. ``AGE`` is days since day ``a``.
    """

    VALUE = 0
    MEAN = 1
    RECENCY = 2
    SINCE_FIRST = 3
    RATIO = 4
    TOP = 5
    GROUP = 6
    GROUP_RECENCY = 7
    AGE = 8


VALUE, MEAN, RECENCY, SINCE_FIRST, RATIO, TOP, GROUP, GROUP_RECENCY, AGE = map(int, Readout)


class RowPlan(NamedTuple):
    """How stored values become the front of a row: attributes, then readouts.

    Attributes
    ----------
    attributes
        ``(n_attributes, 3) int64``: whether it is read as days since, after how many seconds it is
        missing (0 for never), and which kept time says when it was set (-1 for none).
    n_times
        How many times of attributes are kept.
    specs
        ``(n_slots, 4) int64``, as :mod:`nba.features.cells` takes them.
    readouts
        ``(n_readouts, 5) int64``.
    known_begins, known_keys
        ``(n_slots + 1,) int64`` and ``(n_known,) int64``: the groups of each slot that are read, by
        rising key.
    members
        ``(n_members,) int64``: known groups, as readouts of kind ``TOP`` list them.

    """

    attributes: NDArray[np.int64]
    n_times: int
    specs: NDArray[np.int64]
    readouts: NDArray[np.int64]
    known_begins: NDArray[np.int64]
    known_keys: NDArray[np.int64]
    members: NDArray[np.int64]


def flatten(plan: RowPlan) -> NDArray[np.int64]:
    """Return a plan as one array: a call pays for each array it takes, and this one is frequent."""
    arrays = [plan.attributes, plan.specs, plan.readouts, plan.known_begins]
    arrays += [plan.known_keys, plan.members]
    sizes = [plan.n_times, *(len(array) for array in arrays)]
    return np.concatenate([np.array(sizes, dtype=np.int64), *(a.ravel() for a in arrays)])


@numba.njit(cache=True)
def _in_window(second: float, now_seconds: float, tile_seconds: int) -> Any:
    return tile_seconds == 0 or (
        second // tile_seconds > now_seconds // tile_seconds - TILES_PER_WINDOW
    )


@numba.njit(cache=True)
def _take(op: int, value: float, cell: float) -> Any:
    """Take an older cell into a value."""
    if op in (COUNT, SUM):
        return value + cell
    if op == FIRST or np.isnan(value):
        return cell
    return min(value, cell) if op == MIN else max(value, cell)


@numba.njit(cache=True)
def _read_entry(packed: Any, at: int, flat: Any, spec: int, now_seconds: float) -> Any:
    """Read an entry as its value, NaN for none, the second it tells of, and where it ends.

    ``spec`` is where the specification of its slot begins in ``flat``.
    """
    op, end = flat[spec + OP], len(packed)
    tile_seconds = flat[spec + TILE_SECONDS]
    nothing = 0.0 if op in (COUNT, SUM, DECAY) else np.nan
    if at + (4 if op == SEEN else 2) > end:
        return nothing, np.nan, CUT
    value: Any = nothing
    second: Any = np.nan
    if op == SEEN:
        second = np.float64(load_u32(packed, at))
        return np.float64(_in_window(second, now_seconds, tile_seconds)), second, at + 4
    mask = np.int64(load_u16(packed, at))
    at += 2
    if mask == 0:
        return nothing, np.nan, at
    if mask > ALL_TILES or at + 4 > end:
        return nothing, np.nan, CUT
    last = np.int64(load_u32(packed, at))
    at += 4
    size = 4 if op == LAST else 8
    if op in (LAST, DECAY):
        if at + size > end or mask != 1:
            return nothing, np.nan, CUT
        if op == LAST:
            return np.float64(load_f32(packed, at)), np.float64(last), at + size
        faded = 2.0 ** (-(now_seconds - last) / flat[spec + HALF_LIFE])
        return load_f64(packed, at) * faded, np.float64(last), at + size
    n_in: Any = TILES_KEPT
    if tile_seconds > 0:
        n_in = last - (np.int64(now_seconds // tile_seconds) - TILES_PER_WINDOW)
    k = 0
    while mask:
        if mask & 1:
            if op == COUNT:
                cell, at = _read_count(packed, at, end)
                if at == CUT:
                    return nothing, np.nan, CUT
            elif at + 8 > end:
                return nothing, np.nan, CUT
            elif op == FIRST:
                cell = np.float64(load_f32(packed, at + 4))
                if k < n_in:
                    second = np.float64(load_u32(packed, at))
                at += 8
            else:
                cell = load_f64(packed, at)
                at += 8
            if k < n_in:
                value = _take(op, value, cell)
        mask >>= 1
        k += 1
    return value, second, at


@numba.njit(cache=True)
def _read_count(packed: Any, at: int, end: int) -> Any:
    """Read a LEB128 integer and where it ends, or ``CUT``."""
    found, shift = np.int64(0), 0
    while at < end:
        byte = np.int64(packed[at])
        at += 1
        found |= (byte & (CONTINUES - 1)) << shift
        if byte < CONTINUES:
            return np.float64(found), at
        shift += 7
    return 0.0, CUT


@numba.njit(cache=True)
def read_row(packed: Any, now_seconds: float, flat: Any, row: Any) -> Any:
    """Read a packed profile into the front of a row, float32, that holds the defaults.

    ``flat`` is a flattened plan. Returns where the profile ended, or ``CUT``.
    """
    at = skip_head(packed)
    n_times, n_attributes, n_slots = flat[0], flat[1], flat[2]
    end = at + 4 * (n_attributes + n_times)
    if at == CUT or end > len(packed):
        return CUT
    times_at = at + 4 * n_attributes
    for i in range(n_attributes):
        value: Any = np.float64(load_f32(packed, at + 4 * i))
        is_date, fresh_seconds, time = _SIZES + 3 * i, _SIZES + 3 * i + 1, _SIZES + 3 * i + 2
        if flat[time] >= 0:
            set_at = np.float64(load_u32(packed, times_at + 4 * flat[time]))
            if now_seconds - set_at > flat[fresh_seconds]:
                value = np.nan
        if flat[is_date]:
            value = now_seconds / _SECONDS_PER_DAY - value
        if not np.isnan(value):
            row[i] = value
    specs = _SIZES + 3 * n_attributes
    readouts = specs + 4 * n_slots
    # One piece of memory: value and second of each slot, of each known group, and the readouts.
    n_known = flat[5]
    values = np.empty(2 * n_slots + 2 * n_known + flat[3])
    at = _read_slots(packed, end, now_seconds, flat, specs, readouts + 5 * flat[3], values)
    if at != CUT:
        _read_out_all(flat, readouts, now_seconds, values, row, n_attributes)
    return at


@numba.njit(cache=True)
def _read_slots(
    packed: Any, at: int, now_seconds: float, flat: Any, specs: int, begins: int, values: Any
) -> Any:
    """Read all slots: their values, then their seconds, then those of the groups known."""
    n_slots, n_known = flat[2], flat[5]
    groups, keys = 2 * n_slots, begins + flat[4]
    for slot in range(n_slots):
        spec = specs + 4 * slot
        if flat[spec + LIMIT] == 0:
            values[slot], values[n_slots + slot], at = _read_entry(
                packed, at, flat, spec, now_seconds
            )
            if at == CUT:
                return CUT
            continue
        first, beyond = flat[begins + slot], flat[begins + slot + 1]
        nothing = 0.0 if flat[spec + OP] in (COUNT, SUM, DECAY) else np.nan
        for i in range(first, beyond):
            values[groups + i], values[groups + n_known + i] = nothing, np.nan
        if at >= len(packed):
            return CUT
        n_entries = np.int64(packed[at])
        total: Any = 0.0
        at += 1
        for _ in range(n_entries):
            if at + 4 > len(packed):
                return CUT
            key = np.int64(load_u32(packed, at))
            value, second, at = _read_entry(packed, at + 4, flat, spec, now_seconds)
            if at == CUT:
                return CUT
            total += value
            while first < beyond and flat[keys + first] < key:
                first += 1
            if first < beyond and flat[keys + first] == key:
                values[groups + first], values[groups + n_known + first] = value, second
        values[slot], values[n_slots + slot] = total, np.nan
    return at


@numba.njit(cache=True)
def _days_since(second: float, now_seconds: float, tile_seconds: int) -> Any:
    """Return days since a second, NaN where there is none or it is out of the window."""
    if np.isnan(second) or not _in_window(second, now_seconds, tile_seconds):
        return np.nan
    return max(now_seconds - second, 0.0) / _SECONDS_PER_DAY


@numba.njit(cache=True)
def _read_out_all(
    flat: Any, readouts: int, now_seconds: float, values: Any, row: Any, column: int
) -> None:
    """Set a row's columns from ``column`` on by the readouts of what was read."""
    n_slots, n_readouts, n_known = flat[2], flat[3], flat[5]
    groups = 2 * n_slots
    results = groups + 2 * n_known
    members = readouts + 5 * n_readouts + flat[4] + n_known
    for i in range(n_readouts):
        at = readouts + 5 * i
        kind, a, b, tile_seconds = flat[at], flat[at + 1], flat[at + 2], flat[at + 3]
        result: Any = np.nan
        if kind == VALUE:
            second = values[n_slots + a] if tile_seconds > 0 else now_seconds
            if _in_window(second, now_seconds, tile_seconds):
                result = values[a]
        elif kind == MEAN:
            result = values[a] / values[b] if values[b] > 0.0 else np.nan
        elif kind in (RECENCY, SINCE_FIRST):
            result = _days_since(values[n_slots + a], now_seconds, tile_seconds)
        elif kind == RATIO:
            below = values[results + b]
            result = values[results + a] / below if below != 0.0 else np.nan
        elif kind == TOP:
            result = _ranked(
                values[groups : groups + n_known],
                flat[members + a : members + a + b],
                flat[at + 4],
            )
        elif kind == GROUP:
            result = values[groups + a]
        elif kind == GROUP_RECENCY:
            result = _days_since(values[groups + n_known + a], now_seconds, tile_seconds)
        else:
            result = now_seconds / _SECONDS_PER_DAY - a
        values[results + i] = result
        if not np.isnan(result):
            row[column + i] = result


@numba.njit(cache=True)
def _ranked(groups: Any, members: Any, rank: int) -> Any:
    """Return the position of the member with the ``rank``-th highest count, ties by position."""
    for i in range(len(members)):
        mine = groups[members[i]]
        if mine <= 0.0:
            continue
        before = 1
        for j in range(len(members)):
            other = groups[members[j]]
            before += other > mine or (other == mine and j < i)
        if before == rank:
            return np.float64(i)
    return np.nan
