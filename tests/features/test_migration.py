"""Profiles packed before a change of definitions are read by name and meaning."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from nba.errors import CorruptRecordError
from nba.features import FeatureSet


def old_set(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "silver", "gold")),
            make.attribute("score"),
            make.aggregate("orders_7d", window="7d"),
            make.aggregate("orders_30d", window="30d"),
            make.aggregate("orders"),
            make.aggregate("days_since_order", "recency"),
        ],
        [make.buy],
    )


def new_set(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("gold", "bronze", "none")),
            make.attribute("score", "bool"),
            make.attribute("added", default=5.0),
            make.aggregate("renamed_7d", window="1w"),
            make.aggregate("orders_30d", window="30d", where="properties.gift"),
            make.aggregate("orders"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("quiet_days", "recency"),
        ],
        [make.buy],
    )


def stored(make: SimpleNamespace, tier: str) -> bytes:
    old = old_set(make)
    profile, _ = old.update(
        None,
        make.update(
            attributes={"age": 41, "tier": tier, "score": 0.5},
            consents={"email": {"marketing": make.granted}},
            time_zone="Asia/Tokyo",
        ),
        at_ms=make.now_ms,
    )
    return old.apply(profile, make.event(amount=9.0, gift=True))


def test_values_move_by_name_and_by_what_they_compute(make: SimpleNamespace) -> None:
    new = new_set(make).with_previous([old_set(make).layout])
    view = new.read(stored(make, "gold"), at_ms=make.now_ms)
    row = dict(zip(new.names, view.features.tolist(), strict=True))
    assert row["age"] == 41.0
    assert row["tier"] == 0.0  # gold, under its new code
    assert row["score"] != row["score"]  # its type changed: missing
    assert row["added"] == 5.0
    assert row["renamed_7d"] == 1.0  # the same computation under a new name
    assert row["orders_30d"] == 0.0  # the same name for another computation: starts empty
    assert row["orders"] == 1.0
    assert row["spend"] == 0.0
    assert row["quiet_days"] == 0.0
    assert (view.time_zone, view.guard_version, list(view.consents.values())) == (
        "Asia/Tokyo",
        1,
        [True],
    )


def test_a_word_that_is_gone_is_missing(make: SimpleNamespace) -> None:
    new = new_set(make).with_previous([old_set(make).layout])
    assert new.describe(stored(make, "silver"), at_ms=make.now_ms)["attributes"]["tier"] is None
    assert new.describe(stored(make, "none"), at_ms=make.now_ms)["attributes"]["tier"] == "none"


def test_the_next_write_packs_the_new_layout(make: SimpleNamespace) -> None:
    new = new_set(make).with_previous([old_set(make).layout])
    before = stored(make, "gold")
    profile = new.apply(before, make.event(message_id="m2", amount=2.0))
    fresh = new_set(make)
    view = fresh.read(profile, at_ms=make.now_ms)
    row = dict(zip(fresh.names, view.features.tolist(), strict=True))
    assert (row["orders"], row["renamed_7d"], row["spend"]) == (2.0, 2.0, 2.0)
    assert int.from_bytes(profile[4:8], "little") == int.from_bytes(before[4:8], "little") + 1


def test_an_unknown_layout_is_refused_and_never_guessed(make: SimpleNamespace) -> None:
    with pytest.raises(CorruptRecordError, match="was never published"):
        new_set(make).read(stored(make, "gold"), at_ms=make.now_ms)


def test_all_layouts_travel_in_plain_data(make: SimpleNamespace) -> None:
    middle = FeatureSet([make.attribute("age")], [make.buy], previous=[old_set(make).layout])
    new = new_set(make).with_previous([*middle.previous, middle.layout, middle.layout])
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(new.to_builtins()))
    again = FeatureSet.from_builtins(data)
    assert again.layout == new.layout
    assert again.previous == (old_set(make).layout, middle.layout)
    for profile in (stored(make, "gold"), middle.update(None, make.update(), at_ms=0)[0]):
        expected = new.read(profile, at_ms=make.now_ms).features.tobytes()
        assert again.read(profile, at_ms=make.now_ms).features.tobytes() == expected
