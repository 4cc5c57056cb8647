"""The layout of stored profiles: what its id depends on, and plain data of it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import msgspec

from nba.features.layout import StoredFeatures, StoredLayout, StoredWindow


def test_order_of_definitions_has_no_say(make: SimpleNamespace) -> None:
    features = [
        make.attribute("b"),
        make.attribute("a", "enum", values=("x", "y")),
        make.aggregate("n", window="7d"),
        make.aggregate("m"),
        make.aggregate("l", "recency"),
    ]
    layout = StoredFeatures.of(features).layout()
    assert layout == StoredFeatures.of(reversed(features)).layout()
    assert [attribute.name for attribute in layout.attributes] == ["a", "b"]
    assert layout.recencies == ("buy|recency|||",)
    assert layout.totals == ("buy|count|||",)
    assert layout.windows == (StoredWindow("buy|count||604800|", 50_400, is_count=True),)


def test_what_is_not_stored_has_no_say(make: SimpleNamespace) -> None:
    stored = [make.attribute("a")]
    more = [*stored, make.context("basket"), make.action("branch", "action.term:product@1")]
    assert StoredFeatures.of(stored).layout() == StoredFeatures.of(more).layout()


def test_every_stored_thing_changes_the_id(make: SimpleNamespace) -> None:
    sets = [
        [],
        [make.attribute("a")],
        [make.attribute("b")],
        [make.attribute("a", "bool")],
        [make.attribute("a", "enum", values=("x", "y"))],
        [make.attribute("a", "enum", values=("y", "x"))],
        [make.aggregate("n", window="7d")],
        [make.aggregate("n", window="8d")],
        [make.aggregate("n")],
        [make.aggregate("n", "recency")],
        [make.aggregate("n", where="properties.gift")],
        [make.aggregate("n", "sum", property="amount")],
    ]
    ids = {StoredFeatures.of(features).layout().layout_id for features in sets}
    assert len(ids) == len(sets)


def test_plain_data_gives_the_same_layout_back(make: SimpleNamespace) -> None:
    layout = StoredFeatures.of(
        [
            make.attribute("a", "enum", values=("ä", "🎁", "ש")),
            make.aggregate("n", "sum", property="amount", window="1h"),
            make.aggregate("m", "sum", property="amount"),
            make.aggregate("l", "recency"),
        ]
    ).layout()
    through_json = json.loads(json.dumps(layout.to_builtins()))
    through_msgpack = msgspec.msgpack.decode(msgspec.msgpack.encode(layout.to_builtins()))
    for data in (through_json, through_msgpack):
        again = StoredLayout.from_builtins(data)
        assert again == layout
        assert again.layout_id == layout.layout_id


LAYOUT_ID = 0x0A849C05


def test_id_of_a_known_layout_never_changes(make: SimpleNamespace) -> None:
    layout = StoredFeatures.of([make.attribute("age"), make.aggregate("n", window="7d")]).layout()
    assert layout.layout_id == LAYOUT_ID
