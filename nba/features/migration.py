"""Read a profile packed under another layout: attributes by name, aggregates by what they compute.

What the other layout did not have, or had with another type, starts missing or empty. While one
layout takes the place of another every read goes this way, so it is one compiled loop over places
that are found once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError
from nba.features.cells import CUT, LIMIT, load_u32, skip_head, slot_ends
from nba.features.definitions import FeatureType
from nba.features.layout import StoredAttribute, StoredLayout

CELLS_DIGEST = "ed0ead52e8b7fc04"
"""Of :mod:`nba.features.cells`, whose compiled code is called here: numba renews what it keeps on
disk only when the caller's file changes, and so this one changes with that."""

_NOWHERE = -1
_WAS_SAID = -2
_NAN_BITS = np.uint64(0x7FC0_0000)
_NUMBER_BYTES = 4


class _Places(NamedTuple):
    """Where everything of one layout is in another.

    ``numbers (n, 3) int64``: the number to take, then where its codes are translated and how many
    there are (0 for none); or ``_NOWHERE``; or ``_WAS_SAID`` and a range of numbers: 0 where any of
    them is there. ``codes float32`` by old code. ``times (n,)`` and ``slots (n,)`` likewise.
    """

    numbers: NDArray[np.int64]
    codes: NDArray[np.float32]
    times: NDArray[np.int64]
    slots: NDArray[np.int64]


class Translation:
    """From one layout to another; versions, consents, time zone and locale stay as they are."""

    def __init__(self, old: StoredLayout, new: StoredLayout) -> None:
        self.old = old
        self._new_id = new.layout_id
        self._old_specs, self._new_specs = old.specs(), new.specs()
        self._old_sizes = (old.n_numbers, old.n_times)
        self._places = _places(old, new)

    def apply(self, packed: bytes) -> bytes:
        """Return a packed profile under the new layout.

        Raises :class:`~nba.errors.CorruptRecordError` where it is cut.
        """
        moved = _translate(
            packed,
            self._new_id,
            self._old_sizes,
            self._old_specs,
            self._new_specs,
            self._places,
        )
        if not len(moved):
            raise CorruptRecordError(f"a profile of {len(packed)} bytes is cut")
        profile: bytes = moved.tobytes()
        return profile


def _places(old: StoredLayout, new: StoredLayout) -> _Places:
    there = _attributes_of(old)
    numbers: list[tuple[int, int, int]] = []
    codes: list[float] = []
    times: list[int] = []
    for attribute in new.attributes:
        found = there.get(attribute.name)
        if found is None or found[0].type != attribute.type:
            numbers += [(_NOWHERE, 0, 0)] * attribute.width
            times += [_NOWHERE] * attribute.is_timed
            continue
        was, at, time = found
        match attribute.type:
            case FeatureType.SET:
                held = {word: at + i for i, word in enumerate(was.values)}
                unsaid = (_WAS_SAID, at, len(was.values))
                numbers += [
                    (held[word], 0, 0) if word in held else unsaid for word in attribute.values
                ]
            case FeatureType.ENUM:
                numbers.append((at, len(codes), len(was.values)))
                word_codes = {word: float(code) for code, word in enumerate(attribute.values)}
                codes += [word_codes.get(word, np.nan) for word in was.values]
            case _:
                numbers.append((at, 0, 0))
        times += [time] * attribute.is_timed
    slots = {slot.key: position for position, slot in enumerate(old.slots)}
    return _Places(
        np.array(numbers, dtype=np.int64).reshape(-1, 3),
        np.array(codes, dtype=np.float32),
        np.array(times, dtype=np.int64),
        np.array([slots.get(slot.key, _NOWHERE) for slot in new.slots], dtype=np.int64),
    )


def _attributes_of(layout: StoredLayout) -> Mapping[str, tuple[StoredAttribute, int, int]]:
    """Return each attribute with where its numbers begin and where its time is, -1 for none."""
    found: dict[str, tuple[StoredAttribute, int, int]] = {}
    at = time = 0
    for attribute in layout.attributes:
        found[attribute.name] = (attribute, at, time if attribute.is_timed else _NOWHERE)
        at += attribute.width
        time += attribute.is_timed
    return found


@numba.njit(cache=True)
def _put(out: Any, at: int, value: Any) -> Any:
    for k in range(_NUMBER_BYTES):
        out[at + k] = np.uint8((np.uint64(value) >> np.uint64(8 * k)) & np.uint64(0xFF))
    return at + _NUMBER_BYTES


@numba.njit(cache=True)
def _is_there(packed: Any, at: int) -> bool:
    return not np.isnan(np.uint32(load_u32(packed, at)).view(np.float32))


@numba.njit(cache=True)
def _number(packed: Any, first: int, place: Any, codes: Any) -> Any:
    """Return the bits of one number."""
    source, begin, count = place
    if source == _NOWHERE:
        return _NAN_BITS
    if source == _WAS_SAID:
        for k in range(begin, begin + count):
            if _is_there(packed, first + _NUMBER_BYTES * k):
                return np.uint64(0)
        return _NAN_BITS
    bits = load_u32(packed, first + _NUMBER_BYTES * source)
    if count == 0 or not _is_there(packed, first + _NUMBER_BYTES * source):
        return bits
    code = np.int64(np.uint32(bits).view(np.float32))
    if code < 0 or code >= count:
        return _NAN_BITS
    return np.uint64(np.float32(codes[begin + code]).view(np.uint32))


@numba.njit(cache=True)
def _move_slots(
    packed: Any, first: int, ends: Any, out: Any, to: int, new_specs: Any, slots: Any
) -> Any:
    """Copy each slot from where it was, empty where it was not; return where the last ends."""
    for i in range(len(slots)):
        begin, end = 0, 0
        if slots[i] >= 0:
            begin, end = first if slots[i] == 0 else ends[slots[i] - 1], ends[slots[i]]
            for k in range(begin, end):
                out[to + k - begin] = packed[k]
        else:
            end = 1 if new_specs[i, LIMIT] > 0 else 2
            out[to : to + end] = 0
        to += end - begin
    return to


@numba.njit(cache=True)
def _translate(
    packed: Any, new_id: int, old_sizes: Any, old_specs: Any, new_specs: Any, places: _Places
) -> Any:
    """Return the profile under the new layout; empty where it is cut."""
    size, first = len(packed), skip_head(packed)
    room = 2 * len(new_specs) + _NUMBER_BYTES * (len(places.numbers) + len(places.times))
    out = np.empty(size + room, np.uint8)
    times_at = first + _NUMBER_BYTES * old_sizes[0]
    slots_at = times_at + _NUMBER_BYTES * old_sizes[1]
    if first == CUT or slots_at > size:
        return out[:0]
    ends = slot_ends(packed, slots_at, old_specs)
    if (ends[-1] if len(ends) else slots_at) != size:
        return out[:0]
    for k in range(first):
        out[k] = packed[k]
    _put(out, 0, new_id)
    to = first
    for i in range(len(places.numbers)):
        to = _put(out, to, _number(packed, first, places.numbers[i], places.codes))
    for time in places.times:
        seconds = np.uint64(0)
        if time >= 0:
            seconds = load_u32(packed, times_at + _NUMBER_BYTES * time)
        to = _put(out, to, seconds)
    return out[: _move_slots(packed, slots_at, ends, out, to, new_specs, places.slots)]
