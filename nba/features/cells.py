"""The packed state of aggregates, and the compiled loops that change, merge and read it.

A window is 12 tiles; the tile of a time is ``floor(seconds / tile_seconds)``. The value at time
``t`` is taken over the events whose tile is later than ``tile(t) - 12``: the current tile as far as
it has come, and the 11 full ones before it. So a window reaches back at least 11/12 and at most
12/12 of its length, and everything in it is whole tiles, the same however late an event arrives.
13 tiles are kept, one more than a value needs, since an event may be up to 5 minutes (the shortest
tile) ahead of the clock that received it. An event older than the 13 can be in no value asked for
later and is left out.

Packed, little-endian, slot after slot. A slot of one value is one *entry*; a grouped slot is a
count (u8) and that many entries, each after its ``<u4`` key, by rising key. An entry is a ``<u2``
mask of the tiles it holds (bit ``k`` for tile ``last - k``; bit 0 alone where it looks back for
ever) and, where that is not 0, ``last`` as ``<u4`` (the latest tile; for ever, the latest second)
and its cells by rising bit: a count as LEB128, a sum, minimum, maximum or decayed sum as ``<f8``, a
first value as ``<u4`` seconds and ``<f4``, a last value as ``<f4``. An entry of ``SEEN`` is its
last second as ``<u4`` and nothing else.

All of it lies in one module because numba renews its cache on disk only when the file of the
function called has changed. Kernels take positions, not names, and so many arguments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.features.aggregates import MAX_GROUPS, TILES_PER_WINDOW, Op

TILES_KEPT = TILES_PER_WINDOW + 1
CUT = -1
"""Returned where packed bytes end too early, or cannot be what was packed."""

GROWTH_PER_MOVE = 64
"""Bytes by which one move can lengthen a profile, with room to spare."""

OP, TILE_SECONDS, LIMIT, HALF_LIFE = range(4)
"""Columns of the specification of slots, ``(n_slots, 4) int64``."""

COUNT, SUM, MIN, MAX, FIRST, LAST, DECAY, SEEN = map(int, Op)
_ALL_TILES = (1 << TILES_KEPT) - 1
_CONTINUES = 0x80
_HEADER_BYTES = 12
_VERSION_AT = 4


class Batch(NamedTuple):
    """Events of one customer, in the order in which they are applied.

    ``begins (n_events + 1,) int64`` says which moves are whose; ``slots`` int64, ``keys`` uint32
    and ``amounts`` float64, ``(n_moves,)``, are the moves, by rising slot within an event; NaN
    moves nothing. ``at_seconds`` and ``now_seconds``, ``(n_events,) int64``, are when each
    happened and arrived.
    """

    begins: NDArray[np.int64]
    slots: NDArray[np.int64]
    keys: NDArray[np.uint32]
    amounts: NDArray[np.float64]
    at_seconds: NDArray[np.int64]
    now_seconds: NDArray[np.int64]


@numba.njit(cache=True)
def integer(packed: Any, at: int, size: int) -> Any:
    """Read a little-endian integer of ``size`` bytes."""
    found = np.uint64(0)
    for k in range(size):
        found |= np.uint64(packed[at + k]) << np.uint64(8 * k)
    return found


@numba.njit(cache=True)
def as_double(bits: int) -> Any:
    """Return the float64 of 64 bits."""
    return np.uint64(bits).view(np.float64)


@numba.njit(cache=True)
def as_single(bits: int) -> Any:
    """Return the float32 of 32 bits, widened."""
    return np.float64(np.uint32(bits).view(np.float32))


@numba.njit(cache=True)
def _put(out: Any, at: int, value: Any, size: int) -> Any:
    for k in range(size):
        out[at + k] = np.uint8((np.uint64(value) >> np.uint64(8 * k)) & np.uint64(0xFF))
    return at + size


@numba.njit(cache=True)
def _single_bits(value: float) -> Any:
    return np.uint64(np.float32(value).view(np.uint32))


@numba.njit(cache=True)
def skip_head(packed: Any) -> Any:
    """Return where the attributes begin, ``CUT`` where the bytes end before."""
    at = _HEADER_BYTES
    if at >= len(packed):
        return CUT
    at += 1 + 4 * packed[at]
    for _ in range(2):
        if at >= len(packed):
            return CUT
        at += 1 + packed[at]
    return at


@numba.njit(cache=True)
def decode(packed: Any, end: int, at: int, op: int, cells: Any, times: Any) -> Any:
    """Read an entry into ``cells`` and ``times`` ``(13,)``; return mask, last and its end."""
    if op == SEEN:
        if at + 4 > end:
            return 0, 0, CUT
        return 1, np.int64(integer(packed, at, 4)), at + 4
    if at + 2 > end:
        return 0, 0, CUT
    mask = np.int64(integer(packed, at, 2))
    at += 2
    if mask == 0:
        return 0, 0, at
    if mask > _ALL_TILES or at + 4 > end:
        return 0, 0, CUT
    last = np.int64(integer(packed, at, 4))
    at += 4
    for k in range(TILES_KEPT):
        if not (mask >> k) & 1:
            continue
        if op == COUNT:
            found, shift, byte = np.uint64(0), np.uint64(0), np.uint64(_CONTINUES)
            while byte >= _CONTINUES:
                if at >= end:
                    return 0, 0, CUT
                byte = np.uint64(packed[at])
                at += 1
                found |= (byte & np.uint64(_CONTINUES - 1)) << shift
                shift += np.uint64(7)
            cells[k] = np.float64(found)
            continue
        size = 4 if op == LAST else 8
        if at + size > end:
            return 0, 0, CUT
        if op == LAST:
            cells[k] = as_single(integer(packed, at, 4))
        elif op == FIRST:
            times[k] = np.int64(integer(packed, at, 4))
            cells[k] = as_single(integer(packed, at + 4, 4))
        else:
            cells[k] = as_double(integer(packed, at, 8))
        at += size
    return mask, last, at


@numba.njit(cache=True)
def _encode(out: Any, at: int, op: int, mask: int, last: int, cells: Any, times: Any) -> Any:
    """Write an entry and return where it ends."""
    if op == SEEN:
        return _put(out, at, last, 4)
    at = _put(out, at, mask, 2)
    if mask == 0:
        return at
    at = _put(out, at, last, 4)
    for k in range(TILES_KEPT):
        if not (mask >> k) & 1:
            continue
        if op == COUNT:
            rest = np.uint64(cells[k])
            while rest >= np.uint64(_CONTINUES):
                low = rest & np.uint64(_CONTINUES - 1)
                out[at] = np.uint8(low | np.uint64(_CONTINUES))
                at += 1
                rest >>= np.uint64(7)
            out[at] = np.uint8(rest)
            at += 1
        elif op == LAST:
            at = _put(out, at, _single_bits(cells[k]), 4)
        elif op == FIRST:
            at = _put(out, at, times[k], 4)
            at = _put(out, at, _single_bits(cells[k]), 4)
        else:
            at = _put(out, at, np.float64(cells[k]).view(np.uint64), 8)
    return at


@numba.njit(cache=True)
def _join(op: int, mask: int, k: int, cells: Any, times: Any, value: float, second: int) -> Any:
    """Take a value into tile ``k`` of an entry; return the mask with it."""
    if not (mask >> k) & 1:
        cells[k] = value
        times[k] = second
        return mask | (1 << k)
    if op in (COUNT, SUM):
        cells[k] += value
    elif op == MIN:
        cells[k] = min(cells[k], value)
    elif op == MAX:
        cells[k] = max(cells[k], value)
    elif second < times[k]:
        cells[k] = value
        times[k] = second
    return mask


@numba.njit(cache=True)
def _decayed(seconds: float, half_life: int) -> Any:
    return 2.0 ** (-seconds / half_life)


@numba.njit(cache=True)
def _add(
    spec: Any, mask: int, last: int, cells: Any, times: Any, second: int, amount: float
) -> Any:
    """Take one event into an entry; return its mask and last."""
    op, tile_seconds = spec[OP], spec[TILE_SECONDS]
    if op == SEEN:
        return 1, max(last, second)
    if op == LAST:
        if mask == 0 or second >= last:
            cells[0] = amount
            last = second
        return 1, last
    if op == DECAY:
        if mask == 0:
            cells[0] = amount
            return 1, second
        if second >= last:
            cells[0] = cells[0] * _decayed(second - last, spec[HALF_LIFE]) + amount
            return 1, second
        cells[0] += amount * _decayed(last - second, spec[HALF_LIFE])
        return 1, last
    if tile_seconds == 0:
        return _join(op, mask, 0, cells, times, amount, second), max(last, second)
    tile = second // tile_seconds
    mask, last = _advance(mask, last, tile, cells, times)
    if last - tile < TILES_KEPT:
        mask = _join(op, mask, last - tile, cells, times, amount, second)
    return mask, last


@numba.njit(cache=True)
def _advance(mask: int, last: int, tile: int, cells: Any, times: Any) -> Any:
    """Move an entry on so that its latest tile is at least ``tile``."""
    if mask == 0:
        return 0, tile
    ahead = tile - last
    if ahead <= 0:
        return mask, last
    for k in range(TILES_KEPT - 1, ahead - 1, -1):
        cells[k] = cells[k - ahead]
        times[k] = times[k - ahead]
    return ((mask << ahead) & _ALL_TILES) if ahead < TILES_KEPT else 0, tile


@numba.njit(cache=True)
def _without_old(spec: Any, mask: int, last: int, now_seconds: int) -> Any:
    """Return the mask without tiles that no value asked for from now on can need."""
    if spec[TILE_SECONDS] == 0:
        return mask
    if spec[OP] == SEEN:
        last //= spec[TILE_SECONDS]
    kept = last - (now_seconds // spec[TILE_SECONDS] - TILES_PER_WINDOW) + 1
    if kept <= 0:
        return 0
    return mask & ((1 << min(kept, TILES_KEPT)) - 1)


@numba.njit(cache=True)
def _goes_first(last: int, key: int, other_last: int, other_key: int) -> bool:
    """Say which of two groups is forgotten first: the older, and of two as old the larger key."""
    return last < other_last or (last == other_last and key > other_key)


@numba.njit(cache=True)
def _apply_group(
    source: Any, end: int, at: int, out: Any, to: int, spec: Any, now_seconds: int, move: Any
) -> Any:
    """Copy a grouped slot with one move ``(key, amount, second)`` made; key -1 for none."""
    moved, amount, second = move
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    keys, lasts = np.empty(MAX_GROUPS + 1, np.int64), np.empty(MAX_GROUPS + 1, np.int64)
    starts = np.empty(MAX_GROUPS + 1, np.int64)
    if at >= end:
        return CUT, to
    n_entries, n, is_known = packed_count(source, at), 0, False
    at += 1
    for _ in range(n_entries):
        if at + 4 > end or n > MAX_GROUPS - 1:
            return CUT, to
        key = np.int64(integer(source, at, 4))
        start = at + 4
        mask, last, at = decode(source, end, start, spec[OP], cells, times)
        if at == CUT:
            return CUT, to
        if key == moved:
            is_known = True
        if key == moved or _without_old(spec, mask, last, now_seconds):
            keys[n], lasts[n], starts[n] = key, last, start
            n += 1
    if moved >= 0 and not is_known:
        mask, last = _add(spec, 0, 0, cells, times, second, amount)
        if _without_old(spec, mask, last, now_seconds):
            n = _insert(keys, lasts, starts, n, moved, last)
    if n > spec[LIMIT]:
        n = _forget_one(keys, lasts, starts, n)
    count_at, written = to, 0
    to += 1
    for i in range(n):
        mask, last = 0, 0
        if starts[i] != CUT:
            mask, last, _ = decode(source, end, starts[i], spec[OP], cells, times)
        if keys[i] == moved:
            mask, last = _add(spec, mask, last, cells, times, second, amount)
        mask = _without_old(spec, mask, last, now_seconds)
        if mask:
            to = _put(out, to, keys[i], 4)
            to = _encode(out, to, spec[OP], mask, last, cells, times)
            written += 1
    out[count_at] = written
    return at, to


@numba.njit(cache=True)
def packed_count(packed: Any, at: int) -> Any:
    """Return the number of entries of a grouped slot."""
    return np.int64(packed[at])


@numba.njit(cache=True)
def _insert(keys: Any, lasts: Any, starts: Any, n: int, key: int, last: int) -> Any:
    """Insert a key that has no entry yet (its start is ``CUT``) in order; return the new count."""
    i = n
    while i > 0 and keys[i - 1] > key:
        keys[i], lasts[i], starts[i] = keys[i - 1], lasts[i - 1], starts[i - 1]
        i -= 1
    keys[i], lasts[i], starts[i] = key, last, CUT
    return n + 1


@numba.njit(cache=True)
def _forget_one(keys: Any, lasts: Any, starts: Any, n: int) -> Any:
    """Take out the group that is forgotten first; return the new count."""
    gone = 0
    for i in range(1, n):
        if _goes_first(lasts[i], keys[i], lasts[gone], keys[gone]):
            gone = i
    for i in range(gone, n - 1):
        keys[i], lasts[i], starts[i] = keys[i + 1], lasts[i + 1], starts[i + 1]
    return n - 1


@numba.njit(cache=True)
def apply_event(
    source: Any, size: int, out: Any, first: int, specs: Any, batch: Batch, event: int
) -> Any:
    """Copy a profile of ``size`` bytes into ``out`` with one event applied and its version risen.

    ``first`` is where its slots begin. Returns the new size, or ``CUT``.
    """
    out[:first] = source[:first]
    _put(out, _VERSION_AT, integer(source, _VERSION_AT, 4) + np.uint64(1), 4)
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    at, to = first, first
    second, now_seconds = batch.at_seconds[event], batch.now_seconds[event]
    move, last_move = batch.begins[event], batch.begins[event + 1]
    for slot in range(len(specs)):
        spec = specs[slot]
        is_moved = move < last_move and batch.slots[move] == slot
        amount, key = np.nan, np.int64(-1)
        if is_moved:
            amount, key = batch.amounts[move], np.int64(batch.keys[move])
            move += 1
        if np.isnan(amount):
            key = np.int64(-1)
        if spec[LIMIT] > 0:
            at, to = _apply_group(
                source, size, at, out, to, spec, now_seconds, (key, amount, second)
            )
            if at == CUT:
                return CUT
            continue
        mask, last, at = decode(source, size, at, spec[OP], cells, times)
        if at == CUT:
            return CUT
        if not np.isnan(amount):
            mask, last = _add(spec, mask, last, cells, times, second, amount)
        mask = _without_old(spec, mask, last, now_seconds)
        to = _encode(out, to, spec[OP], mask, last, cells, times)
    return to if at == size else CUT


@numba.njit(cache=True)
def apply_batch(packed: Any, fixed_bytes: int, specs: Any, batch: Batch) -> Any:
    """Return a profile with events applied, in order; an empty array where it is cut.

    Parameters
    ----------
    packed
        The profile's bytes.
    fixed_bytes
        What its attributes take.
    specs
        ``(n_slots, 4) int64``: op, tile seconds, limit and half-life of each slot.
    batch
        The events.

    """
    capacity = len(packed) + GROWTH_PER_MOVE * (len(batch.slots) + 1)
    one, other = np.empty(capacity, np.uint8), np.empty(capacity, np.uint8)
    size = len(packed)
    for i in range(size):
        one[i] = packed[i]
    first = skip_head(packed) + fixed_bytes
    if first < fixed_bytes or first > size:
        return one[:0]
    for event in range(len(batch.at_seconds)):
        size = apply_event(one, size, other, first, specs, batch, event)
        if size == CUT:
            return one[:0]
        one, other = other, one
    return one[:size]


@numba.njit(cache=True)
def _merge_entries(
    spec: Any, mine: Any, cells: Any, times: Any, theirs: Any, their_cells: Any, their_times: Any
) -> Any:
    """Take another entry ``(mask, last)`` into this one; return its mask and last."""
    mask, last = mine
    their_mask, their_last = theirs
    if their_mask == 0:
        return mask, last
    op = spec[OP]
    if op in (SEEN, LAST, DECAY):
        if op == LAST and mask and their_last <= last:
            return mask, last  # of two in the same second this profile's own stays
        return _add(spec, mask, last, cells, times, their_last, their_cells[0])
    if spec[TILE_SECONDS] == 0:
        second = their_times[0] if op == FIRST else their_last
        return _join(op, mask, 0, cells, times, their_cells[0], second), max(last, their_last)
    mask, last = _advance(mask, last, their_last, cells, times)
    for k in range(TILES_KEPT):
        to = last - (their_last - k)
        if (their_mask >> k) & 1 and to < TILES_KEPT:
            mask = _join(op, mask, to, cells, times, their_cells[k], their_times[k])
    return mask, last


@numba.njit(cache=True)
def merge_slots(
    mine: Any, mine_at: int, theirs: Any, theirs_at: int, specs: Any, now_seconds: int
) -> Any:
    """Return the slots of two profiles merged, as bytes; empty where either is cut."""
    out = np.empty(len(mine) + len(theirs) + 16 * len(specs), np.uint8)
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    other_cells, other_times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    a, b, to = mine_at, theirs_at, 0
    for slot in range(len(specs)):
        spec = specs[slot]
        if spec[LIMIT] > 0:
            a, b, to = _merge_groups(mine, a, theirs, b, out, to, spec, now_seconds)
        else:
            mask, last, a = decode(mine, len(mine), a, spec[OP], cells, times)
            found = decode(theirs, len(theirs), b, spec[OP], other_cells, other_times)
            b = found[2]
            if min(a, b) != CUT:
                mask, last = _merge_entries(
                    spec, (mask, last), cells, times, found[:2], other_cells, other_times
                )
                mask = _without_old(spec, mask, last, now_seconds)
                to = _encode(out, to, spec[OP], mask, last, cells, times)
        if min(a, b) == CUT:
            return out[:0]
    return out[:to]


@numba.njit(cache=True)
def _merge_groups(
    mine: Any, a: int, theirs: Any, b: int, out: Any, to: int, spec: Any, now_seconds: int
) -> Any:
    """Merge two grouped slots by key, forgetting the oldest groups beyond the limit."""
    keys, lasts = np.empty(2 * MAX_GROUPS, np.int64), np.empty(2 * MAX_GROUPS, np.int64)
    starts = np.full((2, 2 * MAX_GROUPS), CUT, np.int64)
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    other_cells, other_times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    left, right = packed_count(mine, a), packed_count(theirs, b)
    a, b, n = a + 1, b + 1, 0
    while left > 0 or right > 0:
        if (left and a + 4 > len(mine)) or (right and b + 4 > len(theirs)) or n >= len(keys):
            return CUT, CUT, to
        left_key = np.int64(integer(mine, a, 4)) if left else np.int64(2**32)
        right_key = np.int64(integer(theirs, b, 4)) if right else np.int64(2**32)
        keys[n], lasts[n] = min(left_key, right_key), 0
        if left_key == keys[n]:
            starts[0, n] = a + 4
            _, lasts[n], a = decode(mine, len(mine), a + 4, spec[OP], cells, times)
            left -= 1
        if right_key == keys[n]:
            starts[1, n] = b + 4
            _, last, b = decode(theirs, len(theirs), b + 4, spec[OP], cells, times)
            lasts[n] = max(lasts[n], last)
            right -= 1
        if min(a, b) == CUT:
            return CUT, CUT, to
        n += 1
    count_at, written = to, 0
    to += 1
    for i in range(n):
        later = 0
        for j in range(n):
            later += _goes_first(lasts[i], keys[i], lasts[j], keys[j])
        mask, last = 0, 0
        if starts[0, i] != CUT:
            mask, last, _ = decode(mine, len(mine), starts[0, i], spec[OP], cells, times)
        if starts[1, i] != CUT:
            found = decode(theirs, len(theirs), starts[1, i], spec[OP], other_cells, other_times)
            mask, last = _merge_entries(
                spec, (mask, last), cells, times, found[:2], other_cells, other_times
            )
        mask = _without_old(spec, mask, last, now_seconds)
        if mask and later < spec[LIMIT]:
            to = _put(out, to, keys[i], 4)
            to = _encode(out, to, spec[OP], mask, last, cells, times)
            written += 1
    out[count_at] = written
    return a, b, to


@numba.njit(cache=True)
def slot_ends(packed: Any, at: int, specs: Any) -> Any:
    """Return where each slot ends, ``(n_slots,) int64``; the last is ``CUT`` where it is cut."""
    ends = np.full(len(specs), CUT, np.int64)
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    size = len(packed)
    for slot in range(len(specs)):
        n_entries, key_bytes = 1, 0
        if specs[slot, LIMIT] > 0:
            if at >= size:
                return ends
            n_entries, key_bytes = packed_count(packed, at), 4
            at += 1
        for _ in range(n_entries):
            _, _, at = decode(packed, size, at + key_bytes, specs[slot, OP], cells, times)
            if at == CUT:
                return ends
        ends[slot] = at
    return ends


@numba.njit(cache=True)
def window_value(
    spec: Any, mask: int, last: int, cells: Any, times: Any, now_seconds: float
) -> Any:
    """Return an entry's value at a time, NaN where it has none, and its latest or first second."""
    op, tile_seconds = spec[OP], spec[TILE_SECONDS]
    if op == SEEN:
        is_in = tile_seconds == 0 or (
            last // tile_seconds > now_seconds // tile_seconds - TILES_PER_WINDOW
        )
        return 1.0 if is_in else 0.0, np.float64(last)
    if mask == 0:
        return (0.0 if op in (COUNT, SUM, DECAY) else np.nan), np.nan
    if op == LAST:
        return cells[0], np.float64(last)
    if op == DECAY:
        return cells[0] * _decayed(now_seconds - last, spec[HALF_LIFE]), np.float64(last)
    n: Any = TILES_KEPT
    if tile_seconds > 0:
        oldest = np.int64(now_seconds // tile_seconds) - TILES_PER_WINDOW + 1
        n = min(last - oldest + 1, TILES_KEPT)
    value, second = (0.0 if op in (COUNT, SUM) else np.nan), np.nan
    for k in range(n):
        if not (mask >> k) & 1:
            continue
        if op in (COUNT, SUM):
            value += cells[k]
        elif op == FIRST:
            value, second = cells[k], np.float64(times[k])
        elif np.isnan(value) or (cells[k] < value) == (op == MIN):
            value = cells[k]
    return value, second
