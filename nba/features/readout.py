"""From packed bytes to a row: the compiled loop that every read of a profile runs."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.features.aggregates import TILES_PER_WINDOW
from nba.features.cells import (
    CUT,
    LIMIT,
    OP,
    TILES_KEPT,
    as_single,
    decode,
    integer,
    packed_count,
    skip_head,
    window_value,
)

_SECONDS_PER_DAY = 86_400.0


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


@numba.njit(cache=True)
def read_row(packed: Any, now_seconds: float, plan: RowPlan, row: Any) -> Any:
    """Read a packed profile into the front of a row, float32, that holds the defaults.

    Returns where the profile ended, or ``CUT``.
    """
    at = skip_head(packed)
    n_attributes = len(plan.attributes)
    end = at + 4 * (n_attributes + plan.n_times)
    if at == CUT or end > len(packed):
        return CUT
    times_at = at + 4 * n_attributes
    for i in range(n_attributes):
        value = as_single(integer(packed, at + 4 * i, 4))
        fresh_seconds, time = plan.attributes[i, 1], plan.attributes[i, 2]
        if time >= 0:
            set_at = np.float64(integer(packed, times_at + 4 * time, 4))
            if now_seconds - set_at > fresh_seconds:
                value = np.nan
        if plan.attributes[i, 0]:
            value = now_seconds / _SECONDS_PER_DAY - value
        if not np.isnan(value):
            row[i] = value
    return _read_slots(packed, end, now_seconds, plan, row[n_attributes:])


@numba.njit(cache=True)
def _read_slots(packed: Any, at: int, now_seconds: float, plan: RowPlan, row: Any) -> Any:
    """Read all slots and then the readouts of them into ``row``."""
    n_slots, end = len(plan.specs), len(packed)
    values, seconds = np.empty(n_slots), np.empty(n_slots)
    n_known = len(plan.known_keys)
    groups, group_seconds = np.empty(n_known), np.full(n_known, np.nan)
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    for slot in range(n_slots):
        spec = plan.specs[slot]
        if spec[LIMIT] == 0:
            mask, last, at = decode(packed, end, at, spec[OP], cells, times)
            if at == CUT:
                return CUT
            values[slot], seconds[slot] = window_value(spec, mask, last, cells, times, now_seconds)
            continue
        first, beyond = plan.known_begins[slot], plan.known_begins[slot + 1]
        nothing, _ = window_value(spec, 0, 0, cells, times, now_seconds)
        groups[first:beyond] = nothing
        values[slot] = 0.0
        if at >= end:
            return CUT
        n_entries = packed_count(packed, at)
        at += 1
        for _ in range(n_entries):
            if at + 4 > end:
                return CUT
            key = np.int64(integer(packed, at, 4))
            mask, last, at = decode(packed, end, at + 4, spec[OP], cells, times)
            if at == CUT:
                return CUT
            value, second = window_value(spec, mask, last, cells, times, now_seconds)
            values[slot] += value
            while first < beyond and plan.known_keys[first] < key:
                first += 1
            if first < beyond and plan.known_keys[first] == key:
                groups[first], group_seconds[first] = value, second
    results = np.empty(len(plan.readouts))
    for i in range(len(results)):
        results[i] = _read_out(
            plan, i, results, values, seconds, groups, group_seconds, now_seconds
        )
        if not np.isnan(results[i]):
            row[i] = results[i]
    return at


@numba.njit(cache=True)
def _days_since(second: float, now_seconds: float, tile_seconds: int) -> Any:
    """Return days since a second, NaN where there is none or it is out of the window."""
    if np.isnan(second):
        return np.nan
    if tile_seconds > 0 and (
        second // tile_seconds <= now_seconds // tile_seconds - TILES_PER_WINDOW
    ):
        return np.nan
    return max(now_seconds - second, 0.0) / _SECONDS_PER_DAY


@numba.njit(cache=True)
def _read_out(
    plan: RowPlan,
    i: int,
    results: Any,
    values: Any,
    seconds: Any,
    groups: Any,
    group_seconds: Any,
    now_seconds: float,
) -> Any:
    kind, a, b, tile_seconds, rank = plan.readouts[i]
    if kind == VALUE:
        if tile_seconds > 0 and np.isnan(_days_since(seconds[a], now_seconds, tile_seconds)):
            return np.nan
        return values[a]
    if kind == MEAN:
        return values[a] / values[b] if values[b] > 0.0 else np.nan
    if kind in (RECENCY, SINCE_FIRST):
        return _days_since(seconds[a], now_seconds, tile_seconds)
    if kind == RATIO:
        return results[a] / results[b] if results[b] != 0.0 else np.nan
    if kind == TOP:
        return _ranked(groups, plan.members[a : a + b], rank)
    if kind == GROUP:
        return groups[a]
    if kind == GROUP_RECENCY:
        return _days_since(group_seconds[a], now_seconds, tile_seconds)
    return now_seconds / _SECONDS_PER_DAY - a


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
