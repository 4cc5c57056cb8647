"""Profiles packed before a change of definitions are read by name and meaning."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import CorruptRecordError
from nba.features import FeatureSet
from nba.features.migration import Translation
from nba.features.profile import read_head

DAY_MS = 86_400_000


def old_set(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "silver", "gold")),
            make.attribute("score"),
            make.attribute("likes", "set", values=("a", "b", "c")),
            make.attribute("timed", freshness="9d"),
            make.attribute("no_longer_timed", freshness="9d"),
            make.attribute("to_be_timed"),
            make.aggregate("orders_7d", window="7d"),
            make.aggregate("orders_30d", window="30d"),
            make.aggregate("orders"),
            make.aggregate("days_since_order", "recency"),
            make.aggregate("by", by="category", limit=9),
            make.aggregate("top", "top", property="category", values=("card", "home")),
            make.aggregate("total", "sum", property="amount"),
        ],
        [make.buy],
    )


def new_set(make: SimpleNamespace, **more: Any) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("gold", "bronze", "none")),
            make.attribute("score", "bool"),
            make.attribute("likes", "set", values=("c", "d", "a")),
            make.attribute("added", default=5.0),
            make.attribute("timed", freshness="20d"),
            make.attribute("no_longer_timed"),
            make.attribute("to_be_timed", freshness="9d"),
            make.aggregate("renamed_7d", window="1w"),
            make.aggregate("orders_30d", window="30d", where="properties.gift"),
            make.aggregate("orders"),
            make.aggregate("spend", "max", property="amount"),
            make.aggregate("quiet_days", "recency"),
            make.aggregate("per_word", by="category", limit=9),
            make.cross("mine", "per_word"),
            make.aggregate("other_by", by="category", limit=8),
            make.cross("others", "other_by"),
            make.aggregate("top", "top", property="category", values=("home", "card")),
            make.aggregate("mean", "mean", property="amount"),
            make.aggregate("total", "sum", property="amount"),
        ],
        [make.buy],
        catalog=make.catalog,
        **more,
    )


def stored(make: SimpleNamespace, **attributes: Any) -> bytes:
    """Return a profile of the old set, ten days old, with one purchase of 9 just now."""
    old = old_set(make)
    profile, _ = old.update(
        None,
        make.update(
            attributes={
                "age": 41,
                "score": 0.5,
                "timed": 1,
                "no_longer_timed": 2,
                "to_be_timed": 3,
                **attributes,
            },
            consents={"email": {"marketing": make.granted}},
            time_zone="Asia/Tokyo",
        ),
        at_ms=make.now_ms - 10 * DAY_MS,
    )
    return old.apply(profile, make.event(amount=9.0, gift=True, category="card"))


def test_values_move_by_name_and_by_what_they_compute(make: SimpleNamespace) -> None:
    new = new_set(make, previous=[old_set(make).layout])
    view = new.read(stored(make, tier="gold", likes=["a", "b"]), at_ms=make.now_ms)
    row = dict(zip(new.names, view.features.tolist(), strict=True))
    expected = {
        "age": 41.0,
        "tier": 0.0,  # gold, under its new code
        "score": np.nan,  # its type changed
        "likes[c]": 0.0,
        "likes[d]": 0.0,  # something was said, and this was not
        "likes[a]": 1.0,
        "added": 5.0,
        "timed": 1.0,  # ten days old: fresh for 20, no longer for 9
        "no_longer_timed": 2.0,
        "to_be_timed": np.nan,  # nobody knows when it was set
        "renamed_7d": 1.0,  # the same computation under a new name
        "orders_30d": 0.0,  # the same name for another computation
        "orders": 1.0,
        "spend": np.nan,
        "quiet_days": 0.0,
        "mine[card]": 1.0,
        "others[card]": 0.0,  # another limit is another computation
        "top": np.nan,  # other ties
        "total": 9.0,
        "mean": np.nan,  # its sum and its count begin together
    }
    np.testing.assert_equal({name: row[name] for name in expected}, expected)
    assert (view.time_zone, view.guard_version, list(view.consents.values())) == (
        "Asia/Tokyo",
        1,
        [True],
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"tier": "gold"}, {"tier": "gold"}),
        ({"tier": "none"}, {"tier": "none"}),
        ({"tier": "silver"}, {"tier": None}),
        ({}, {"tier": None, "likes": None}),
        ({"likes": ["b"]}, {"likes": []}),
        ({"likes": []}, {"likes": []}),
        ({"likes": ["c", "b", "a"]}, {"likes": ["c", "a"]}),
    ],
)
def test_words_that_are_gone_are_missing(
    make: SimpleNamespace, before: dict[str, Any], after: dict[str, Any]
) -> None:
    new = new_set(make, previous=[old_set(make).layout])
    kept = new.describe(stored(make, **before), at_ms=make.now_ms)["attributes"]
    assert {name: kept[name] for name in after} == after


def test_the_next_write_packs_the_new_layout(make: SimpleNamespace) -> None:
    new = new_set(make, previous=[old_set(make).layout])
    before = stored(make, tier="gold")
    profile = new.apply(before, make.event(message_id="m2", amount=2.0, category="card"))
    fresh = new_set(make)
    row = make.row(fresh, profile)
    found = [row[name] for name in ("orders", "renamed_7d", "spend", "mine[card]", "total", "mean")]
    assert found == [2.0, 2.0, 2.0, 2.0, 11.0, 2.0]
    assert read_head(profile).version == read_head(before).version + 1
    updated, _ = new.update(before, make.update(), at_ms=make.now_ms)
    assert read_head(updated).layout_id == fresh.layout_id


def test_translating_changes_the_layout_and_no_version(make: SimpleNamespace) -> None:
    old, new = old_set(make).layout, new_set(make).layout
    before = stored(make, tier="gold", likes=["a"])
    after = Translation(old, new).apply(before)
    assert read_head(after).layout_id == new.layout_id
    assert read_head(after)[1:] == read_head(before)[1:]
    again = Translation(new, new).apply(after)
    assert again == after


def test_an_unknown_layout_is_refused_and_never_guessed(make: SimpleNamespace) -> None:
    with pytest.raises(CorruptRecordError, match="was never published"):
        new_set(make).read(stored(make), at_ms=make.now_ms)


def test_all_layouts_travel_in_plain_data(make: SimpleNamespace) -> None:
    middle = FeatureSet([make.attribute("age")], [make.buy], previous=[old_set(make).layout])
    new = new_set(make).with_previous([*middle.previous, middle.layout, middle.layout])
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(new.to_builtins()))
    again = FeatureSet.from_builtins(data, catalog=make.catalog)
    assert again.layout == new.layout
    assert again.previous == (old_set(make).layout, middle.layout)
    for profile in (stored(make, tier="gold"), middle.update(None, make.update(), at_ms=0)[0]):
        expected = new.read(profile, at_ms=make.now_ms).features.tobytes()
        assert again.read(profile, at_ms=make.now_ms).features.tobytes() == expected


def test_a_profile_of_before_cut_anywhere_is_refused(make: SimpleNamespace) -> None:
    translation = Translation(old_set(make).layout, new_set(make).layout)
    before = stored(make, tier="gold", likes=["a"])
    for size in range(len(before)):
        with pytest.raises(CorruptRecordError, match=f"of {size} bytes is cut"):
            translation.apply(before[:size])
    with pytest.raises(CorruptRecordError):
        translation.apply(before + b"\0")


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(8)), st.integers(0, 8), st.integers(0, 8))
def test_whatever_stays_declared_stays(
    make: SimpleNamespace, order: list[int], n_old: int, n_new: int
) -> None:
    def pool(likes: tuple[str, ...]) -> list[Any]:
        return [
            make.attribute("age"),
            make.attribute("likes", "set", values=likes),
            make.attribute("score", freshness="1d"),
            make.aggregate("n", window="7d"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("first", "first", property="amount", window="7d"),
            make.aggregate("kinds", "distinct", property="category"),
            make.aggregate("last", "last", property="amount"),
        ]

    old = FeatureSet([pool(("x", "y"))[i] for i in order[:n_old]], [make.buy])
    new = FeatureSet(
        [pool(("z", "y", "x"))[i] for i in sorted(order[-n_new:] if n_new else [])],
        [make.buy],
        previous=[old.layout],
    )
    profile, _ = old.update(
        None,
        make.update(attributes={"age": 40, "likes": ["x"], "score": 2.5}),
        at_ms=make.now_ms,
    )
    events = [make.event(amount=4.0, category="a"), make.event(amount=8.0, category="b")]
    profile = old.apply_moves(profile, old.moves(events))
    before, after = make.row(old, profile), make.row(new, profile)
    nothing = make.row(new, None)
    for name, value in after.items():
        if name == "likes[z]":
            expected = 0.0 if "likes[x]" in before else np.nan
        else:
            expected = before.get(name, nothing[name])
        np.testing.assert_equal(value, expected)
