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

Kernels take positions, not names, and so many arguments. numba renews its cache on disk only when
the file of the function called has changed, so the two other modules with kernels that call these
name the digest of this one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic
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
ALL_TILES = (1 << TILES_KEPT) - 1
CONTINUES = 0x80
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


def _loader(kind: Any) -> Any:
    """Return what reads one number at a byte of a buffer, wherever it lies: one instruction.

    The processors numba compiles for are little-endian, as the packed form is.
    """

    @intrinsic
    def load(_context: Any, packed: Any, _at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            buffer = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
            place = builder.gep(buffer.data, [arguments[1]])
            pointer = builder.bitcast(place, context.get_data_type(kind).as_pointer())
            loaded = builder.load(pointer)
            loaded.align = 1
            return loaded

        return kind(packed, types.intp), generate

    return load


load_u16 = _loader(types.uint16)
load_u32 = _loader(types.uint32)
load_f32 = _loader(types.float32)
load_f64 = _loader(types.float64)


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
        return 1, np.int64(load_u32(packed, at)), at + 4
    if at + 2 > end:
        return 0, 0, CUT
    mask = np.int64(load_u16(packed, at))
    at += 2
    if mask == 0:
        return 0, 0, at
    if mask > ALL_TILES or at + 4 > end:
        return 0, 0, CUT
    last = np.int64(load_u32(packed, at))
    at += 4
    for k in range(TILES_KEPT):
        if not (mask >> k) & 1:
            continue
        if op == COUNT:
            found, shift, byte = np.uint64(0), np.uint64(0), np.uint64(CONTINUES)
            while byte >= CONTINUES:
                if at >= end:
                    return 0, 0, CUT
                byte = np.uint64(packed[at])
                at += 1
                found |= (byte & np.uint64(CONTINUES - 1)) << shift
                shift += np.uint64(7)
            cells[k] = np.float64(found)
            continue
        size = 4 if op == LAST else 8
        if at + size > end:
            return 0, 0, CUT
        if op == LAST:
            cells[k] = load_f32(packed, at)
        elif op == FIRST:
            times[k] = np.int64(load_u32(packed, at))
            cells[k] = load_f32(packed, at + 4)
        else:
            cells[k] = load_f64(packed, at)
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
            while rest >= np.uint64(CONTINUES):
                low = rest & np.uint64(CONTINUES - 1)
                out[at] = np.uint8(low | np.uint64(CONTINUES))
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
    return ((mask << ahead) & ALL_TILES) if ahead < TILES_KEPT else 0, tile


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
def packed_count(packed: Any, at: int) -> Any:
    """Return the number of entries of a grouped slot."""
    return np.int64(packed[at])


class _Groups(NamedTuple):
    """Entries of one grouped slot while events are applied, in no order; room for one too many.

    ``keys``, ``masks``, ``lasts`` ``(limit + 1,) int64``; ``cells``, ``times`` ``(limit + 1, 13)``
    float64 and int64.
    """

    keys: NDArray[np.int64]
    masks: NDArray[np.int64]
    lasts: NDArray[np.int64]
    cells: NDArray[np.float64]
    times: NDArray[np.int64]


@numba.njit(cache=True)
def _read_groups(source: Any, at: int, spec: Any, groups: Any) -> Any:
    """Read a grouped slot; return how many entries it has and where it ends, or ``CUT``."""
    end = len(source)
    if at >= end:
        return 0, CUT
    n = packed_count(source, at)
    at += 1
    if n > spec[LIMIT]:
        return 0, CUT
    for i in range(n):
        if at + 4 > end:
            return 0, CUT
        groups.keys[i] = np.int64(load_u32(source, at))
        groups.masks[i], groups.lasts[i], at = decode(
            source, end, at + 4, spec[OP], groups.cells[i], groups.times[i]
        )
        if at == CUT:
            return 0, CUT
    return n, at


@numba.njit(cache=True)
def _write_groups(out: Any, to: int, spec: Any, groups: Any, n: int) -> Any:
    """Write the entries by rising key; return where they end."""
    order = np.empty(n, np.int64)
    for i in range(n):
        k = i
        while k > 0 and groups.keys[order[k - 1]] > groups.keys[i]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    out[to] = n
    at = to + 1
    for entry in order:
        at = _put(out, at, groups.keys[entry], 4)
        mask, last = groups.masks[entry], groups.lasts[entry]
        at = _encode(out, at, spec[OP], mask, last, groups.cells[entry], groups.times[entry])
    return at


@numba.njit(cache=True)
def _copy_group(groups: Any, source: int, to: int) -> None:
    if source != to:
        groups.keys[to], groups.masks[to] = groups.keys[source], groups.masks[source]
        groups.lasts[to] = groups.lasts[source]
        groups.cells[to], groups.times[to] = groups.cells[source], groups.times[source]


@numba.njit(cache=True)
def _drop_old(spec: Any, groups: Any, n: int, now_seconds: int) -> int:
    """Drop groups that no value asked for from now on can need; return how many stay."""
    left = 0
    for i in range(n):
        mask = _without_old(spec, groups.masks[i], groups.lasts[i], now_seconds)
        if mask:
            groups.masks[i] = mask
            _copy_group(groups, i, left)
            left += 1
    return left


@numba.njit(cache=True)
def _move_group(
    spec: Any, groups: Any, n: int, now_seconds: int, key: int, second: int, amount: float
) -> Any:
    """Take one event into its group, which may push another out; return how many there are."""
    mine = 0
    while mine < n and groups.keys[mine] != key:
        mine += 1
    mask, last = (groups.masks[mine], groups.lasts[mine]) if mine < n else (0, 0)
    mask, last = _add(spec, mask, last, groups.cells[mine], groups.times[mine], second, amount)
    groups.masks[mine], groups.keys[mine], groups.lasts[mine] = mask, key, last
    n = max(n, mine + 1)
    if n <= spec[LIMIT]:
        return n  # what is old by now makes room when room is needed, and goes at the end
    n = _drop_old(spec, groups, n, now_seconds)
    if n <= spec[LIMIT]:
        return n
    gone = 0
    for i in range(1, n):
        if _goes_first(groups.lasts[i], groups.keys[i], groups.lasts[gone], groups.keys[gone]):
            gone = i
    _copy_group(groups, n - 1, gone)
    return n - 1


@numba.njit(cache=True)
def _take_move(batch: Batch, cursors: Any, event: int, slot: int) -> Any:
    """Return key and amount of an event's move of a slot and step past it; NaN where none."""
    move = cursors[event]
    if move == batch.begins[event + 1] or batch.slots[move] != slot:
        return 0, np.nan
    cursors[event] += 1
    return np.int64(batch.keys[move]), batch.amounts[move]


@numba.njit(cache=True)
def _apply_value(
    source: Any, at: int, out: Any, to: int, slot: int, specs: Any, batch: Batch, cursors: Any
) -> Any:
    """Copy a slot of one value with all its moves made; return where it ended in both."""
    spec = specs[slot]
    cells, times = np.empty(TILES_KEPT), np.zeros(TILES_KEPT, np.int64)
    mask, last, at = decode(source, len(source), at, spec[OP], cells, times)
    if at == CUT:
        return CUT, to
    for event in range(len(batch.at_seconds)):
        _, amount = _take_move(batch, cursors, event, slot)
        if not np.isnan(amount):
            mask, last = _add(spec, mask, last, cells, times, batch.at_seconds[event], amount)
        mask = _without_old(spec, mask, last, batch.now_seconds[event])
    return at, _encode(out, to, spec[OP], mask, last, cells, times)


@numba.njit(cache=True)
def _apply_groups(
    source: Any, at: int, out: Any, to: int, slot: int, specs: Any, batch: Batch, cursors: Any
) -> Any:
    """Copy a grouped slot with all its moves made; return where it ended in both."""
    spec, n_events = specs[slot], len(batch.at_seconds)
    room = spec[LIMIT] + 1
    groups = _Groups(
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty((room, TILES_KEPT)),
        np.zeros((room, TILES_KEPT), np.int64),
    )
    n, at = _read_groups(source, at, spec, groups)
    if at == CUT:
        return CUT, to
    for event in range(n_events):
        key, amount = _take_move(batch, cursors, event, slot)
        if not np.isnan(amount):
            second, now_seconds = batch.at_seconds[event], batch.now_seconds[event]
            n = _move_group(spec, groups, n, now_seconds, key, second, amount)
    n = _drop_old(spec, groups, n, batch.now_seconds[n_events - 1])
    return at, _write_groups(out, to, spec, groups, n)


@numba.njit(cache=True)
def apply_batch(packed: Any, fixed_bytes: int, specs: Any, batch: Batch) -> Any:
    """Return a profile with events applied, in order; an empty array where it is cut.

    Slots know nothing of one another, so each is read once, takes its moves of all events, and is
    written once: many events cost little more than one. The version rises by one for each event.

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
    source = np.empty(len(packed), np.uint8)
    for i in range(len(packed)):
        source[i] = packed[i]
    first, n_events = skip_head(source) + fixed_bytes, len(batch.at_seconds)
    if first < fixed_bytes or first > len(source):
        return source[:0]
    if n_events == 0:
        return source
    capacity = len(source) + GROWTH_PER_MOVE * (len(batch.slots) + 1)
    out = np.empty(capacity, np.uint8)
    out[:first] = source[:first]
    _put(out, _VERSION_AT, load_u32(source, _VERSION_AT) + n_events, 4)
    cursors = batch.begins[:n_events].copy()
    at, to = first, first
    for slot in range(len(specs)):
        if specs[slot, LIMIT] > 0:
            at, to = _apply_groups(source, at, out, to, slot, specs, batch, cursors)
        else:
            at, to = _apply_value(source, at, out, to, slot, specs, batch, cursors)
        if at == CUT:
            return source[:0]
    return out[:to] if at == len(source) else source[:0]


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
        left_key = np.int64(load_u32(mine, a)) if left else np.int64(2**32)
        right_key = np.int64(load_u32(theirs, b)) if right else np.int64(2**32)
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
