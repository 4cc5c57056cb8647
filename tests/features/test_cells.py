"""The packed state of aggregates: the documented bytes, the edges of windows, and its limits."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.customer import Event
from nba.domain.ids import hash32
from nba.features import FeatureSet
from nba.features.cells import CUT, Batch, apply_batch, merge_slots, slot_ends
from nba.features.profile import ProfileCodec, read_head

TILE = 300
"""Seconds in a tile of a window of one hour."""

NOW = 1_750_000_200
"""A time at the very start of a tile of an hour's window."""

HALF_LIFE = 86_400


def buy(make: SimpleNamespace, at: int, received: int | None = None, **properties: Any) -> Event:
    received = max(at, NOW) if received is None else received
    return make.event(at * 1_000, received_at_ms=received * 1_000, **properties)


def one(make: SimpleNamespace, function: str, **more: Any) -> FeatureSet:
    return FeatureSet([make.aggregate("x", function, **more)], [make.buy])


def slots(features: FeatureSet, profile: bytes) -> bytes:
    """Return the packed slots; without attributes they follow the head."""
    assert not features.layout.attributes
    return profile[read_head(profile).end :]


def value(make: SimpleNamespace, features: FeatureSet, profile: bytes | None, at: float) -> float:
    return make.row(features, profile, int(at * 1_000))["x"]


def test_now_is_at_the_edge_of_a_tile() -> None:
    assert NOW % TILE == 0


WINDOWED = {"property": "amount", "window": "1h"}


@pytest.mark.parametrize(
    ("function", "more", "packed"),
    [
        # Amounts 2 (two tiles ago), 7 and then 5 (now).
        ("count", {"window": "1h"}, struct.pack("<HIBB", 0b101, NOW // TILE, 2, 1)),
        ("count", {}, struct.pack("<HIB", 1, NOW, 3)),
        ("sum", WINDOWED, struct.pack("<HIdd", 0b101, NOW // TILE, 12.0, 2.0)),
        ("sum", {"property": "amount"}, struct.pack("<HId", 1, NOW, 14.0)),
        ("min", WINDOWED, struct.pack("<HIdd", 0b101, NOW // TILE, 5.0, 2.0)),
        ("max", WINDOWED, struct.pack("<HIdd", 0b101, NOW // TILE, 7.0, 2.0)),
        (
            "first",
            WINDOWED,
            struct.pack("<HIIfIf", 0b101, NOW // TILE, NOW, 7.0, NOW - 2 * TILE, 2.0),
        ),
        ("first", {"property": "amount"}, struct.pack("<HIIf", 1, NOW, NOW - 2 * TILE, 2.0)),
        ("since_first", {}, struct.pack("<HIIf", 1, NOW, NOW - 2 * TILE, 1.0)),
        ("last", WINDOWED, struct.pack("<HIf", 1, NOW, 5.0)),
        ("recency", {}, struct.pack("<HIf", 1, NOW, 1.0)),
        (
            "decayed_sum",
            {"property": "amount", "half_life": "1d"},
            struct.pack("<HId", 1, NOW, 2.0 * 2.0 ** (-2 * TILE / HALF_LIFE) + 7.0 + 5.0),
        ),
    ],
)
def test_bytes_are_as_documented(
    make: SimpleNamespace, function: str, more: dict[str, Any], packed: bytes
) -> None:
    features = one(make, function, **more)
    events = [
        buy(make, NOW - 2 * TILE, amount=2.0),
        buy(make, NOW, amount=7.0),
        buy(make, NOW, amount=5.0),
    ]
    assert slots(features, make.played(features, events)) == packed
    nothing, _ = features.update(None, make.update(), at_ms=0)
    assert slots(features, nothing) == b"\0\0"


def test_counts_are_in_leb128(make: SimpleNamespace) -> None:
    features = one(make, "count")
    profile = features.apply_moves(None, features.moves([buy(make, NOW)] * 300))
    counted = bytes([0b1010_1100, 0b0000_0010])  # 300 = 0b10_0101100
    assert slots(features, profile) == struct.pack("<HI", 1, NOW) + counted
    assert value(make, features, profile, NOW) == 300.0


def test_groups_follow_one_another_by_rising_key(make: SimpleNamespace) -> None:
    words = sorted(("home", "kids", "café"), key=hash32)
    counted = one(make, "count", by="category")
    seen = one(make, "distinct", property="category")
    events = [buy(make, NOW + i, category=word) for i, word in enumerate(reversed(words))]
    expected = b"".join(
        struct.pack("<IHIB", hash32(word), 1, NOW + 2 - i, 1) for i, word in enumerate(words)
    )
    assert slots(counted, make.played(counted, events)) == b"\3" + expected
    expected = b"".join(
        struct.pack("<II", hash32(word), NOW + 2 - i) for i, word in enumerate(words)
    )
    assert slots(seen, make.played(seen, events)) == b"\3" + expected


EDGES = [
    (NOW, NOW, True),
    (NOW, NOW - 1, True),  # received ahead of its time, and so it counts at once
    (NOW, NOW + 12 * TILE - 1, True),  # the last second it can count
    (NOW, NOW + 12 * TILE, False),  # a whole window later
    (NOW + TILE - 1, NOW + 12 * TILE - 1, True),
    (NOW + TILE - 1, NOW + 12 * TILE, False),  # 11/12 of a window and a second later
    (NOW - 1, NOW + 11 * TILE - 1, True),
    (NOW - 1, NOW + 11 * TILE - 0.001, True),
    (NOW - 1, NOW + 11 * TILE, False),
]


@pytest.mark.parametrize(("event_at", "asked_at", "is_in"), EDGES)
@pytest.mark.parametrize(
    ("function", "property_", "inside", "outside"),
    [
        ("count", None, 1.0, 0.0),
        ("sum", "amount", 4.0, 0.0),
        ("mean", "amount", 4.0, np.nan),
        ("min", "amount", 4.0, np.nan),
        ("max", "amount", 4.0, np.nan),
        ("first", "amount", 4.0, np.nan),
        ("last", "amount", 4.0, np.nan),
        ("distinct", "category", 1.0, 0.0),
        ("recency", None, None, np.nan),
    ],
)
def test_value_is_over_the_current_tile_and_the_eleven_before(
    make: SimpleNamespace,
    function: str,
    property_: str | None,
    inside: float | None,
    outside: float,
    event_at: int,
    asked_at: float,
    is_in: bool,  # noqa: FBT001
) -> None:
    features = one(make, function, property=property_, window="1h")
    profile = make.played(features, [buy(make, event_at, amount=4.0, category="home")])
    if inside is None:
        inside = float(np.float32(max(asked_at - event_at, 0) / 86_400))
    found = value(make, features, profile, asked_at)
    np.testing.assert_equal(found, inside if is_in else outside)


def test_an_event_one_tile_ahead_takes_nothing_from_the_present(make: SimpleNamespace) -> None:
    features = one(make, "count", window="1h")
    events = [buy(make, NOW - 11 * TILE, NOW), buy(make, NOW + TILE, NOW)]
    profile = make.played(features, events)
    assert value(make, features, profile, NOW) == 2.0
    assert value(make, features, profile, NOW + TILE) == 1.0


@pytest.mark.parametrize(
    "function", ["count", "sum", "mean", "min", "max", "first", "distinct", "top"]
)
def test_an_event_older_than_its_window_changes_nothing(
    make: SimpleNamespace, function: str
) -> None:
    words = {"distinct": "category", "top": "category"}
    property_ = None if function == "count" else words.get(function, "amount")
    more = {"values": ("home", "kids")} if function == "top" else {}
    features = one(make, function, property=property_, window="1h", **more)
    profile = make.played(features, [buy(make, NOW, amount=4.0, category="home")])
    before = slots(features, profile)
    late = [
        buy(make, NOW - 13 * TILE, NOW, amount=-9.0, category="kids"),
        buy(make, NOW - 400 * 86_400, NOW, amount=9.0, category="home"),
    ]
    assert slots(features, make.played(features, late, profile)) == before


def test_tiles_nobody_can_ask_for_any_more_are_left_out(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.aggregate("x", window="1h"), make.aggregate("y", window="1h", by="category")],
        [make.buy, make.opened],
    )
    profile = make.played(features, [buy(make, NOW, category="home")])
    assert len(slots(features, profile)) == (2 + 4 + 1) + 1 + (4 + 2 + 4 + 1)

    def after(tiles: int) -> bytes:
        at_ms = (NOW + tiles * TILE) * 1_000
        opened = make.event(at_ms, received_at_ms=at_ms, name="App Opened")
        return slots(features, features.apply(profile, opened))

    assert len(after(12)) == len(slots(features, profile))
    assert sorted(after(13)) == [0, 0, 0]


def test_the_group_whose_latest_event_is_oldest_is_forgotten(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.aggregate("spend", "sum", property="amount", by="category", limit=2),
            make.cross("mine", "spend"),
        ],
        [make.buy],
        catalog=make.catalog,
    )

    def spent(events: list[Event]) -> dict[str, float]:
        found = make.row(features, make.played(features, events))
        return {name[5:-1]: amount for name, amount in found.items() if amount}

    first = [buy(make, NOW - 90, amount=1, category="card")]
    first += [buy(make, NOW - 80, amount=2, category="loan")]
    assert spent(first) == {"card": 1.0, "loan": 2.0}
    # An event of the older group makes the other the older one.
    again = [*first, buy(make, NOW - 70, amount=4, category="card")]
    again += [buy(make, NOW - 60, amount=8, category="receipt")]
    assert spent(again) == {"card": 5.0, "receipt": 8.0}
    # A group forgotten begins anew.
    assert spent([*again, buy(make, NOW - 50, amount=16, category="loan")]) == {
        "loan": 16.0,
        "receipt": 8.0,
    }
    # An event older than all that are kept does not get in.
    assert spent([*first, buy(make, NOW - 99, amount=4, category="receipt")]) == {
        "card": 1.0,
        "loan": 2.0,
    }


def test_of_groups_as_old_the_larger_key_is_forgotten(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.aggregate("n", by="category", limit=2), make.cross("mine", "n")],
        [make.buy],
        catalog=make.catalog,
    )
    words = sorted(("card", "loan", "receipt"), key=hash32)
    for order in (words, words[::-1], [words[1], words[2], words[0]]):
        profile = make.played(features, [buy(make, NOW, category=word) for word in order])
        row = make.row(features, profile)
        assert [row[f"mine[{word}]"] for word in words] == [1.0, 1.0, 0.0]


def test_windowed_groups_are_as_old_as_their_tile(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.aggregate("n", by="category", limit=1, window="1h"), make.cross("mine", "n")],
        [make.buy],
        catalog=make.catalog,
    )
    low, high = sorted(("card", "loan"), key=hash32)
    # Of one tile, though the larger key's event is a second later.
    events = [buy(make, NOW, category=low), buy(make, NOW + 1, category=high)]
    row = make.row(features, make.played(features, events), (NOW + 1) * 1_000)
    assert (row[f"mine[{low}]"], row[f"mine[{high}]"]) == (1.0, 0.0)
    events = [buy(make, NOW, category=low), buy(make, NOW + TILE, category=high)]
    row = make.row(features, make.played(features, events), (NOW + TILE) * 1_000)
    assert (row[f"mine[{low}]"], row[f"mine[{high}]"]) == (0.0, 1.0)


def test_distinct_values_are_as_old_as_their_second(make: SimpleNamespace) -> None:
    features = one(make, "distinct", property="category", limit=2, window="1h")
    words = ["a", "b", "c", "d"]
    events = [buy(make, NOW + i, NOW + 3, category=word) for i, word in enumerate(words)]
    kept = slots(features, make.played(features, events))
    seconds = dict(struct.iter_unpack("<II", kept[1:]))
    assert seconds == {hash32("c"): NOW + 2, hash32("d"): NOW + 3}


@pytest.mark.parametrize("limit", [1, 50, 200])
def test_a_million_values_saturate_at_the_limit(make: SimpleNamespace, limit: int) -> None:
    features = one(make, "distinct", property="category", limit=limit)
    n = 1_000_000 if limit == 50 else 20_000
    rng = np.random.default_rng(7)
    keys = rng.permutation(2**24)[:n].astype(np.uint32)
    seconds = NOW + np.arange(n) // 10
    profile, _ = features.update(None, make.update(), at_ms=0)
    codec = ProfileCodec(features.layout)
    batch = Batch(np.arange(n + 1), np.zeros(n, np.int64), keys, np.ones(n), seconds, seconds)
    packed = apply_batch(profile, codec.fixed_bytes, codec.specs, batch).tobytes()
    assert value(make, features, packed, int(seconds[-1])) == limit
    kept = slots(features, packed)
    assert len(kept) == 1 + 8 * limit
    latest = sorted(zip((-seconds).tolist(), keys.tolist(), strict=True))[:limit]
    expected = sorted((key, -second) for second, key in latest)
    assert list(struct.iter_unpack("<II", kept[1:])) == expected


EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("count", {"window": "1h"}),
    ("count", {}),
    ("sum", {"property": "amount", "window": "2h"}),
    ("min", {"property": "amount", "window": "1h"}),
    ("max", {"property": "amount"}),
    ("first", {"property": "amount", "window": "1h"}),
    ("first", {"property": "amount"}),
    ("last", {"property": "amount"}),
    ("decayed_sum", {"property": "amount", "half_life": "1h"}),
    ("distinct", {"property": "category", "limit": 2, "window": "1h"}),
    ("top", {"property": "category", "values": ("a", "b", "c")}),
    ("min", {"property": "amount", "by": "category", "limit": 2, "window": "1h"}),
    ("recency", {"by": "category", "limit": 2}),
    ("decayed_count", {"half_life": "1d", "by": "category", "limit": 2}),
]
histories = st.lists(
    st.tuples(
        st.integers(-40 * TILE, TILE),
        st.fixed_dictionaries(
            {},
            optional={
                "amount": st.integers(-8_000, 8_000).map(lambda amount: amount / 8),
                "category": st.sampled_from("abcd"),
            },
        ),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def everything(make: SimpleNamespace) -> FeatureSet:
    aggregates = [
        make.aggregate(f"x{i}", function, **more) for i, (function, more) in enumerate(EVERYTHING)
    ]
    return FeatureSet(aggregates, [make.buy])


@settings(deadline=None, max_examples=60)
@given(histories, st.integers(0, 12))
def test_events_apply_the_same_one_by_one_or_together(
    make: SimpleNamespace,
    everything: FeatureSet,
    drawn: list[tuple[int, dict[str, Any]]],
    split: int,
) -> None:
    events = [buy(make, NOW + offset, NOW, **said) for offset, said in drawn]
    profile, _ = everything.update(None, make.update(), at_ms=0)
    alone = make.played(everything, events, profile)
    together = everything.apply_moves(profile, everything.moves(events))
    parts = everything.apply_moves(profile, everything.moves(events[:split]))
    parts = everything.apply_moves(parts, everything.moves(events[split:]))
    assert alone == together == parts


@settings(deadline=None, max_examples=60)
@given(histories, st.data())
def test_slots_cut_anywhere_or_with_a_tail_are_never_taken_for_whole(
    make: SimpleNamespace,
    everything: FeatureSet,
    drawn: list[tuple[int, dict[str, Any]]],
    data: st.DataObject,
) -> None:
    events = [buy(make, NOW + offset, NOW, **said) for offset, said in drawn]
    profile = everything.apply_moves(None, everything.moves(events))
    codec = ProfileCodec(everything.layout)
    whole = slots(everything, profile)
    ends = slot_ends(whole, 0, codec.specs)
    assert ends[-1] == len(whole)
    size = data.draw(st.integers(0, len(whole) - 1))
    assert slot_ends(whole[:size], 0, codec.specs)[-1] == CUT
    moves = everything.moves([buy(make, NOW, amount=1.0, category="a")])
    only = moves[0]
    batch = Batch(
        np.array([0, len(only.slots)]),
        only.slots,
        only.keys,
        only.amounts,
        np.array([NOW]),
        np.array([NOW]),
    )
    for wrong in (profile[: len(profile) - len(whole) + size], profile + b"\0"):
        assert len(apply_batch(wrong, codec.fixed_bytes, codec.specs, batch)) == 0


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_bytes_that_were_never_packed_crash_nothing(everything: FeatureSet, noise: bytes) -> None:
    codec = ProfileCodec(everything.layout)
    ends = slot_ends(noise, 0, codec.specs)
    assert all(-1 <= end <= len(noise) for end in ends.tolist())
    assert len(merge_slots(noise, 0, b"", 0, codec.specs, NOW)) == 0


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\1",
        b"\1\0\0\0",
        struct.pack("<HI", 1, 5),
        struct.pack("<HIB", 1, 5, 0x80),
        struct.pack("<HIB", 1 << 13, 5, 1),
    ],
)
def test_what_cannot_be_a_count_is_cut(make: SimpleNamespace, packed: bytes) -> None:
    codec = ProfileCodec(one(make, "count", window="1h").layout)
    assert slot_ends(packed, 0, codec.specs).tolist() == [CUT]
