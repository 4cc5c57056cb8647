"""Windowed aggregates as tiles, and the compiled loops that read and write stored numbers.

A window is 12 tiles; the tile of a time is ``floor(seconds / tile_seconds)``. The value at time
``t`` is taken over the events whose tile is later than ``tile(t) - 12``: the current tile as far as
it has come, and the 11 full ones before it. So a window reaches back at least 11/12 and at most
12/12 of its length, and everything in it is whole tiles, the same however late an event arrives.

13 tiles are kept, one more than a value needs: an event may be up to 5 minutes (the shortest tile)
ahead of the clock that received it, and then the latest tile kept is one ahead of the current one.
An event older than the 13 kept tiles can be in no value asked for now or later and is left out.

In memory tiles are a ring ``cells (n_windows, 13) float64``, tile ``x`` in column ``x % 13``, with
``last (n_windows,) int64`` the latest tile. Packed, each window is a ``<u2`` mask of the tiles that
are not 0 (bit ``k`` for tile ``last - k``); where it is not 0 there follow ``last`` as ``<u4`` and
the tiles by rising bit: counts as LEB128 variable-length integers, sums as ``<f8``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.features.layout import TILES_PER_WINDOW

TILES_KEPT = TILES_PER_WINDOW + 1
CUT = -1
"""Returned where packed bytes end too early, or cannot be what was packed."""

MAX_WINDOW_BYTES = 2 + 4 + TILES_KEPT * 10
"""The most that one packed window can take."""

_SECONDS_PER_DAY = 86_400.0
_MASK_BYTES = 2
_LAST_BYTES = 4
_DOUBLE_BYTES = 8
_CONTINUES = 0x80


class Windows(NamedTuple):
    """The windowed aggregates of a layout: ``(n_windows,)`` int64 and bool."""

    tile_seconds: NDArray[np.int64]
    is_count: NDArray[np.bool_]


class RowPlan(NamedTuple):
    """How stored values become the front of a row.

    ``is_date (n_attributes,)`` bool says which attributes are read as days since; ``defaults
    (n_attributes + n_recencies,)`` float32 stand in for missing values, NaN where none does;
    ``n_totals`` aggregates look back for ever, ``windows`` are the others.
    """

    is_date: NDArray[np.bool_]
    defaults: NDArray[np.float32]
    n_totals: int
    windows: Windows


class Sums(NamedTuple):
    """The aggregates of one customer, changed in place.

    ``recencies (n,) uint32`` seconds since the epoch, 0 for never; ``totals (n,) float64``;
    ``cells`` and ``last`` as the module describes them.
    """

    recencies: NDArray[np.uint32]
    totals: NDArray[np.float64]
    cells: NDArray[np.float64]
    last: NDArray[np.int64]


@numba.njit(cache=True)
def read_row(packed: bytes, at: int, now_seconds: float, plan: RowPlan, row: Any) -> int:
    """Read a packed profile's stored values into the front of a row.

    Parameters
    ----------
    packed
        The profile's bytes.
    at
        Where its attributes begin.
    now_seconds
        The time asked about, in seconds since the epoch.
    plan
        What is stored, and how it is read.
    row
        float32, filled from its front: attributes, recencies, totals, windows.

    Returns
    -------
    int
        Where the profile ended, or ``CUT``.

    """
    n_singles = len(plan.defaults)
    if at + 4 * n_singles + 8 * plan.n_totals > len(packed):
        return CUT
    _read_singles(packed, at, now_seconds, plan, row)
    at += 4 * n_singles
    for i in range(n_singles, n_singles + plan.n_totals):
        row[i] = _as_double(_integer(packed, at, 8))
        at += 8
    rest = row[n_singles + plan.n_totals :]
    end: int = _read_windows(packed, at, now_seconds, plan.windows, rest)
    return end


@numba.njit(cache=True)
def unpack_tiles(packed: bytes, at: int, windows: Windows, cells: Any, last: Any) -> int:
    """Unpack all windows into zeroed ``cells`` and ``last``; return the end, or ``CUT``."""
    for i in range(len(windows.is_count)):
        mask, last[i], at = _window(packed, at)
        for k in range(TILES_KEPT):
            if at != CUT and (mask >> np.uint64(k)) & np.uint64(1):
                cells[i, (last[i] - k) % TILES_KEPT], at = _cell(packed, at, windows.is_count[i])
        if at == CUT:
            return CUT
    return at


@numba.njit(cache=True)
def pack_tiles(cells: Any, last: Any, windows: Windows, now_seconds: int, out: Any) -> int:
    """Pack all windows into ``out`` and return how many bytes they took.

    Tiles that no value asked for at ``now_seconds``, or a tile earlier, can need are left out.
    ``out`` is uint8 with room for ``MAX_WINDOW_BYTES`` a window.
    """
    at = 0
    for i in range(len(windows.is_count)):
        oldest = now_seconds // windows.tile_seconds[i] - TILES_PER_WINDOW
        mask = np.uint64(0)
        for k in range(TILES_KEPT):
            if last[i] - k >= oldest and cells[i, (last[i] - k) % TILES_KEPT] != 0.0:
                mask |= np.uint64(1) << np.uint64(k)
        at = _put(out, at, mask, _MASK_BYTES)
        if mask == 0:
            continue
        at = _put(out, at, np.uint64(last[i]), _LAST_BYTES)
        for k in range(TILES_KEPT):
            if (mask >> np.uint64(k)) & np.uint64(1):
                cell = cells[i, (last[i] - k) % TILES_KEPT]
                at = _put_cell(out, at, cell, windows.is_count[i])
    return at


@numba.njit(cache=True)
def add_event(slots: Any, amounts: Any, at_seconds: int, sums: Sums, windows: Windows) -> None:
    """Add one event to the aggregates it moves, in place.

    Parameters
    ----------
    slots
        ``(n,)`` int64: aggregates, counted through recencies, totals and windows.
    amounts
        ``(n,)`` float64: what the event adds to each; NaN where it does not count.
    at_seconds
        When the event happened, in whole seconds since the epoch.
    sums, windows
        The customer's aggregates, and what their windows are.

    """
    n_recencies = len(sums.recencies)
    n_fixed = n_recencies + len(sums.totals)
    for j in range(len(slots)):
        slot = slots[j]
        if np.isnan(amounts[j]):
            continue
        if slot < n_recencies:
            if at_seconds > np.int64(sums.recencies[slot]):
                sums.recencies[slot] = at_seconds
        elif slot < n_fixed:
            sums.totals[slot - n_recencies] += amounts[j]
        else:
            i = slot - n_fixed
            tile = at_seconds // windows.tile_seconds[i]
            for begun in range(max(sums.last[i] + 1, tile - TILES_KEPT + 1), tile + 1):
                sums.cells[i, begun % TILES_KEPT] = 0.0
            sums.last[i] = max(sums.last[i], tile)
            if tile > sums.last[i] - TILES_KEPT:
                sums.cells[i, tile % TILES_KEPT] += amounts[j]


@numba.njit(cache=True)
def _read_singles(packed: bytes, at: int, now_seconds: float, plan: RowPlan, row: Any) -> None:
    """Read attributes and recencies, each 4 bytes."""
    n_attributes = len(plan.is_date)
    for i in range(n_attributes):
        value = np.float64(_as_single(_integer(packed, at + 4 * i, 4)))
        if np.isnan(value):
            value = plan.defaults[i]
        elif plan.is_date[i]:
            value = now_seconds / _SECONDS_PER_DAY - value
        row[i] = value
    for i in range(n_attributes, len(plan.defaults)):
        last_seconds = np.float64(_integer(packed, at + 4 * i, 4))
        row[i] = max(now_seconds - last_seconds, 0.0) / _SECONDS_PER_DAY
        if last_seconds == 0.0:
            row[i] = plan.defaults[i]


@numba.njit(cache=True)
def _read_windows(packed: bytes, at: int, now_seconds: float, windows: Windows, values: Any) -> int:
    """Sum the tiles of each window that its value is taken over."""
    for i in range(len(windows.is_count)):
        mask, last, at = _window(packed, at)
        oldest = np.int64(now_seconds // windows.tile_seconds[i]) - TILES_PER_WINDOW + 1
        total = 0.0
        for k in range(TILES_KEPT):
            if at != CUT and (mask >> np.uint64(k)) & np.uint64(1):
                value, at = _cell(packed, at, windows.is_count[i])
                if last - k >= oldest:
                    total += value
        if at == CUT:
            return CUT
        values[i] = total
    return at


@numba.njit(cache=True)
def _as_double(bits: int) -> Any:
    return np.uint64(bits).view(np.float64)


@numba.njit(cache=True)
def _as_single(bits: int) -> Any:
    return np.uint32(bits).view(np.float32)


@numba.njit(cache=True)
def _bits(value: float) -> Any:
    return np.float64(value).view(np.uint64)


@numba.njit(cache=True)
def _integer(packed: bytes, at: int, size: int) -> Any:
    """Read a little-endian integer of ``size`` bytes."""
    found = np.uint64(0)
    for k in range(size):
        found |= np.uint64(packed[at + k]) << np.uint64(8 * k)
    return found


@numba.njit(cache=True)
def _window(packed: bytes, at: int) -> tuple[Any, Any, int]:
    """Read the head of a window: mask, latest tile, and where its tiles begin, or ``CUT``."""
    if at + _MASK_BYTES > len(packed):
        return np.uint64(0), 0, CUT
    mask = _integer(packed, at, _MASK_BYTES)
    at += _MASK_BYTES
    if mask == 0:
        return mask, 0, at
    if mask >> np.uint64(TILES_KEPT) or at + _LAST_BYTES > len(packed):
        return mask, 0, CUT
    return mask, np.int64(_integer(packed, at, _LAST_BYTES)), at + _LAST_BYTES


@numba.njit(cache=True)
def _cell(packed: bytes, at: int, is_count: bool) -> tuple[float, int]:  # noqa: FBT001 - no names
    """Read one tile: its value and where the next begins, or ``CUT``."""
    if not is_count:
        if at + _DOUBLE_BYTES > len(packed):
            return 0.0, CUT
        return _as_double(_integer(packed, at, _DOUBLE_BYTES)), at + _DOUBLE_BYTES
    found = np.uint64(0)
    shift = np.uint64(0)
    while at < len(packed):
        byte = np.uint64(packed[at])
        at += 1
        found |= (byte & np.uint64(_CONTINUES - 1)) << shift
        if byte < _CONTINUES:
            return np.float64(found), at
        shift += np.uint64(7)
    return 0.0, CUT


@numba.njit(cache=True)
def _put(out: Any, at: int, value: Any, size: int) -> Any:
    for k in range(size):
        out[at + k] = np.uint8((value >> np.uint64(8 * k)) & np.uint64(0xFF))
    return at + size


@numba.njit(cache=True)
def _put_cell(out: Any, at: int, value: float, is_count: bool) -> Any:  # noqa: FBT001 - no names
    if not is_count:
        return _put(out, at, _bits(value), _DOUBLE_BYTES)
    rest = np.uint64(value)
    while rest >= np.uint64(_CONTINUES):
        out[at] = np.uint8((rest & np.uint64(_CONTINUES - 1)) | np.uint64(_CONTINUES))
        at += 1
        rest >>= np.uint64(7)
    out[at] = np.uint8(rest)
    return at + 1
