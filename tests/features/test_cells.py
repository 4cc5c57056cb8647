"""Windows as tiles: what a value is taken over, and the compiled loops against plain Python."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.features.tiles import (
    CUT,
    MAX_WINDOW_BYTES,
    TILES_KEPT,
    RowPlan,
    Sums,
    Windows,
    add_event,
    pack_tiles,
    read_row,
    unpack_tiles,
)

HOUR = 3_600
TILE = 300
"""Seconds in a tile of a window of one hour."""

NOW = 1_750_000_200
"""A time at the very start of a tile of an hour's window."""

ONE_COUNT = Windows(np.array([TILE]), np.array([True]))


def empty(windows: Windows) -> Sums:
    n = len(windows.is_count)
    return Sums(
        np.zeros(0, dtype=np.uint32),
        np.zeros(0),
        np.zeros((n, TILES_KEPT)),
        np.zeros(n, dtype=np.int64),
    )


def add(sums: Sums, at: int, windows: Windows, amount: float = 1.0) -> None:
    n = len(windows.is_count)
    add_event(np.arange(n), np.full(n, amount), at, sums, windows)


def packed(sums: Sums, windows: Windows, now: int) -> bytes:
    out = np.empty(len(windows.is_count) * MAX_WINDOW_BYTES, dtype=np.uint8)
    return out[: pack_tiles(sums.cells, sums.last, windows, now, out)].tobytes()


def values(data: bytes, windows: Windows, at: float) -> list[float]:
    row = np.full(len(windows.is_count), np.nan, dtype=np.float32)
    plan = RowPlan(np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.float32), 0, windows)
    assert read_row(data, 0, at, plan, row) == len(data)
    return [float(value) for value in row]


def test_now_is_at_the_edge_of_a_tile() -> None:
    assert NOW % TILE == 0


@pytest.mark.parametrize(
    ("event_at", "asked_at", "counted"),
    [
        (NOW, NOW, 1),
        (NOW, NOW - 1, 1),  # received ahead of its time, and so it counts at once
        (NOW, NOW + 12 * TILE - 1, 1),  # the last second it can count
        (NOW, NOW + 12 * TILE, 0),  # a whole window later
        (NOW + TILE - 1, NOW + 12 * TILE - 1, 1),
        (NOW + TILE - 1, NOW + 12 * TILE, 0),  # 11/12 of a window and a second later
        (NOW - 1, NOW + 11 * TILE - 1, 1),
        (NOW - 1, NOW + 11 * TILE, 0),
    ],
)
def test_value_is_over_the_current_tile_and_the_eleven_before(
    event_at: int, asked_at: int, counted: int
) -> None:
    sums = empty(ONE_COUNT)
    add(sums, event_at, ONE_COUNT)
    assert values(packed(sums, ONE_COUNT, event_at), ONE_COUNT, asked_at) == [counted]


def test_an_event_one_tile_ahead_takes_nothing_from_the_present() -> None:
    sums = empty(ONE_COUNT)
    add(sums, NOW - 11 * TILE, ONE_COUNT)
    add(sums, NOW + TILE, ONE_COUNT)
    data = packed(sums, ONE_COUNT, NOW)
    assert values(data, ONE_COUNT, NOW) == [2.0]
    assert values(data, ONE_COUNT, NOW + TILE) == [1.0]


def test_an_event_older_than_its_window_changes_nothing() -> None:
    sums = empty(ONE_COUNT)
    add(sums, NOW, ONE_COUNT)
    before = packed(sums, ONE_COUNT, NOW)
    add(sums, NOW - 13 * TILE, ONE_COUNT)
    add(sums, NOW - 400 * 86_400, ONE_COUNT)
    assert packed(sums, ONE_COUNT, NOW) == before


def test_bytes_of_a_window_are_as_documented() -> None:
    windows = Windows(np.array([TILE, TILE, TILE]), np.array([True, False, True]))
    sums = empty(windows)
    add_event(np.array([0]), np.array([300.0]), NOW, sums, windows)
    add_event(np.array([0, 1]), np.array([1.0, -2.5]), NOW - 2 * TILE, sums, windows)
    expected = (
        struct.pack("<HI", 0b101, NOW // TILE)
        + bytes([0b1010_1100, 0b0000_0010])  # 300 = 0b10_0101100
        + bytes([1])
        + struct.pack("<HId", 0b1, NOW // TILE - 2, -2.5)
        + struct.pack("<H", 0)
    )
    assert packed(sums, windows, NOW) == expected


def test_tiles_nobody_can_ask_for_any_more_are_left_out() -> None:
    sums = empty(ONE_COUNT)
    add(sums, NOW, ONE_COUNT)
    assert len(packed(sums, ONE_COUNT, NOW + 12 * TILE)) == 2 + 4 + 1
    assert packed(sums, ONE_COUNT, NOW + 13 * TILE) == b"\0\0"


def test_bytes_that_were_never_packed_are_cut() -> None:
    plan = RowPlan(np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.float32), 0, ONE_COUNT)
    for data in (
        b"",
        b"\1",
        b"\1\0\0\0",
        struct.pack("<HI", 1, 5),
        struct.pack("<HIB", 1, 5, 0x80),
    ):
        assert read_row(data, 0, 0.0, plan, np.zeros(1, dtype=np.float32)) == CUT
        assert unpack_tiles(data, 0, ONE_COUNT, np.zeros((1, 13)), np.zeros(1, np.int64)) == CUT
    beyond = struct.pack("<HIB", 1 << 13, 5, 1)
    assert read_row(beyond, 0, 0.0, plan, np.zeros(1, dtype=np.float32)) == CUT


offsets = st.one_of(
    st.integers(-40 * TILE, TILE),
    st.builds(lambda tile, edge: tile * TILE + edge, st.integers(-40, 0), st.sampled_from([-1, 0])),
)
steps = st.lists(
    st.tuples(offsets, st.integers(-8_000, 8_000).map(lambda amount: amount / 8)), max_size=25
)


@settings(deadline=None)
@given(steps, st.integers(0, 30 * TILE))
def test_any_order_of_events_gives_the_sum_over_the_window(
    steps: list[tuple[int, float]], later: int
) -> None:
    windows = Windows(np.array([TILE, 2 * TILE, 100 * TILE]), np.array([False, False, False]))
    sums = empty(windows)
    for offset, amount in steps:
        add(sums, NOW + offset, windows, amount)
    asked = NOW + later
    expected = [
        sum(amount for offset, amount in steps if (NOW + offset) // tile > asked // tile - 12)
        for tile in windows.tile_seconds.tolist()
    ]
    assert values(packed(sums, windows, NOW), windows, asked) == expected


@settings(deadline=None)
@given(steps, st.lists(st.integers(0, 2**40), min_size=TILES_KEPT, max_size=TILES_KEPT))
def test_packed_tiles_come_back(steps: list[tuple[int, float]], counts: list[int]) -> None:
    windows = Windows(np.array([TILE, TILE]), np.array([True, False]))
    sums = empty(windows)
    for offset, amount in steps:
        add_event(np.array([1]), np.array([amount]), NOW + offset, sums, windows)
    sums.cells[0] = counts
    sums.last[0] = NOW // TILE
    data = b"head" + packed(sums, windows, NOW)
    cells, last = np.zeros_like(sums.cells), np.zeros_like(sums.last)
    assert unpack_tiles(data, 4, windows, cells, last) == len(data)
    assert values(data[4:], windows, NOW) == values(packed(sums, windows, NOW), windows, NOW)
    again = Sums(sums.recencies, sums.totals, cells, last)
    assert data[4:] == packed(again, windows, NOW)
    assert cells[0].tolist() == counts
