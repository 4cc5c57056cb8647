"""The layout of stored profiles: what its id depends on, and plain data of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nba.errors import CorruptRecordError
from nba.features import FeatureSet
from nba.features.aggregates import Op
from nba.features.layout import StoredAttribute, StoredLayout, StoredSlot, freshness_seconds


def layout(make: SimpleNamespace, *definitions: Any) -> StoredLayout:
    return FeatureSet(definitions, [make.buy]).layout


def test_order_of_definitions_has_no_say(make: SimpleNamespace) -> None:
    features = [
        make.attribute("b"),
        make.attribute("a", "enum", values=("x", "y")),
        make.aggregate("n", window="7d"),
        make.aggregate("m", "decayed_count", half_life="1d", by="category", limit=5),
        make.aggregate("l", "recency"),
    ]
    found = layout(make, *features)
    assert found == layout(make, *reversed(features))
    assert found.attributes == (
        StoredAttribute("a", "enum", ("x", "y")),
        StoredAttribute("b", "number"),
    )
    assert [(s.op, s.tile_seconds, s.limit, s.half_life_seconds) for s in found.slots] == [
        (Op.COUNT, 50_400, 0, 0),
        (Op.DECAY, 0, 5, 86_400),
        (Op.LAST, 0, 0, 0),
    ]
    assert found.specs().tolist() == [[0, 50_400, 0, 0], [6, 0, 5, 86_400], [5, 0, 0, 0]]


def test_equal_state_is_kept_once(make: SimpleNamespace) -> None:
    found = layout(
        make,
        make.aggregate("n", "distinct", property="category"),
        make.aggregate("m", "distinct", property="category", limit=50),
        make.aggregate("quiet", "recency"),
        make.aggregate("quiet_7d", "recency", window="7d"),
        make.aggregate("first", "top", property="category", values=("a", "b")),
        make.aggregate("second", "top", property="category", values=("a", "b"), rank=2),
        make.aggregate("mean", "mean", property="amount"),
        make.aggregate("mean_again", "mean", property="amount"),
    )
    assert len(found.slots) == 1 + 1 + 1 + 2


def test_what_is_not_stored_has_no_say(make: SimpleNamespace) -> None:
    stored = [make.attribute("a"), make.aggregate("n", by="category"), make.aggregate("m")]
    more = [
        *stored,
        make.context("basket"),
        make.action("branch", "action.term:product@1"),
        make.derived("twice", "2.0 * customer.a"),
        make.interaction("seen", window="7d"),
        make.cross("mine", "n"),
        make.ratio("ratio", "m", "m"),
    ]
    assert layout(make, *stored) == layout(make, *more)


def test_every_stored_thing_changes_the_id(make: SimpleNamespace) -> None:
    sets: list[list[Any]] = [
        [],
        [make.attribute("a")],
        [make.attribute("a", freshness="1d")],
        [make.attribute("b")],
        [make.attribute("a", "bool")],
        [make.attribute("a", "enum", values=("x", "y"))],
        [make.attribute("a", "enum", values=("y", "x"))],
        [make.attribute("a", "set", values=("x", "y"))],
        [make.aggregate("n", window="7d")],
        [make.aggregate("n", window="8d")],
        [make.aggregate("n")],
        [make.aggregate("n", by="category")],
        [make.aggregate("n", by="category", limit=3)],
        [make.aggregate("n", "recency")],
        [make.aggregate("n", where="properties.gift")],
        [make.aggregate("n", "sum", property="amount")],
        [make.aggregate("n", "mean", property="amount")],
        [make.aggregate("n", "decayed_count", half_life="1d")],
        [make.aggregate("n", "decayed_count", half_life="2d")],
        [make.interaction("n", "click")],
        [make.interaction("n", "click", by="product@1")],
    ]
    ids = {layout(make, *features).layout_id for features in sets}
    assert len(ids) == len(sets)


def test_how_long_a_value_is_fresh_is_a_matter_of_reading(make: SimpleNamespace) -> None:
    week = layout(make, make.attribute("a", freshness="7d"))
    assert week == layout(make, make.attribute("a", freshness="90d"))
    assert freshness_seconds(make.attribute("a", freshness="90d")) == 90 * 86_400
    assert freshness_seconds(make.attribute("a")) == 0


def test_plain_data_gives_the_same_layout_back(make: SimpleNamespace) -> None:
    found = layout(
        make,
        make.attribute("a", "set", values=("ä", "🎁", "ש"), freshness="3d"),
        make.aggregate("n", "sum", property="amount", window="1h"),
        make.aggregate("l", "last", property="category", values=("ä", "🎁")),
        make.aggregate("m", "top", property="category", values=("ä", "🎁")),
    )
    through_json = json.loads(json.dumps(found.to_builtins()))
    through_msgpack = msgspec.msgpack.decode(msgspec.msgpack.encode(found.to_builtins()))
    for data in (through_json, through_msgpack):
        again = StoredLayout.from_builtins(data)
        assert again == found
        assert again.layout_id == found.layout_id


def test_a_layout_of_the_first_format_is_refused_in_words() -> None:
    first = {"attributes": [], "recencies": [], "totals": [], "windows": []}
    with pytest.raises(CorruptRecordError, match="older format: start with a new data folder"):
        StoredLayout.from_builtins(first)


def test_sizes_are_those_of_what_is_kept(make: SimpleNamespace) -> None:
    found = layout(
        make,
        make.attribute("a", freshness="1d"),
        make.attribute("b", "set", values=("x", "y", "z"), freshness="1d"),
        make.attribute("c"),
    )
    assert (found.n_numbers, found.n_times) == (5, 2)
    assert found.specs().shape == (0, 4)


LAYOUT_ID = 0x4914BA6A
"""Kept profiles are found by it; it may change only with the format."""


def test_id_of_a_known_layout_never_changes() -> None:
    known = StoredLayout(
        (StoredAttribute("age", "number"),), (StoredSlot('["buy","COUNT"]', 0, 50_400, 0, 0),)
    )
    assert known.layout_id == LAYOUT_ID
