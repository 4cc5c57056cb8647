"""Two sets of definitions share one profile, and each reads from it what it would have kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nba.features import FeatureSet
from nba.features.union import added_slots, conflicts, union


def sets(make: SimpleNamespace) -> tuple[FeatureSet, FeatureSet]:
    live = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "gold")),
            make.attribute("kept_by_live"),
            make.aggregate("orders", window="7d"),
        ],
        [make.buy],
    )
    coming = FeatureSet(
        [
            make.attribute("age", freshness="30d"),
            make.attribute("tier", "enum", values=("silver", "gold")),
            make.aggregate("orders", window="30d"),
            make.aggregate("opens", event="App Opened"),
        ],
        [make.buy, make.opened],
    )
    return live, coming


def test_each_reads_what_it_would_have_kept_by_itself(make: SimpleNamespace) -> None:
    live, coming = sets(make)
    both = union(live, coming)
    said = make.update(attributes={"age": 41, "tier": "gold", "kept_by_live": 3})
    profile, dropped = both.update(None, said, at_ms=make.now_ms)
    assert dropped == ()
    late_ms = make.now_ms - 20 * 86_400_000
    for number, at_ms in enumerate((make.now_ms, late_ms)):
        profile = both.apply(profile, make.event(at_ms, message_id=f"m{number}"))
    profile = both.apply(profile, make.event(name="App Opened", message_id="m3"))
    expected = {
        live: {"age": 41.0, "tier": 1.0, "kept_by_live": 3.0, "orders": 1.0},
        coming: {"age": 41.0, "tier": 1.0, "orders": 2.0, "opens": 1.0},
    }
    for features, values in expected.items():
        reader = features.with_previous([both.layout])
        row = reader.read(profile, at_ms=make.now_ms).features.tolist()
        assert dict(zip(reader.names, row, strict=True)) == values


def test_a_word_that_only_one_has_is_missing_for_the_other(make: SimpleNamespace) -> None:
    live, coming = sets(make)
    both = union(live, coming)
    profile, _ = both.update(None, make.update(attributes={"tier": "silver"}), at_ms=make.now_ms)
    found = [
        features.with_previous([both.layout]).describe(profile, at_ms=make.now_ms)["attributes"]
        for features in (live, coming)
    ]
    assert [attributes["tier"] for attributes in found] == [None, "silver"]


def test_what_is_new_is_told_by_what_it_computes(make: SimpleNamespace) -> None:
    live, coming = sets(make)
    assert len(added_slots(live.layout, coming.layout)) == 2
    assert added_slots(live.layout, live.layout) == ()
    assert added_slots(live.layout, union(live, coming).layout) == added_slots(
        live.layout, coming.layout
    )


@pytest.mark.parametrize("type_", ["bool", "date"])
def test_a_type_that_changes_is_a_conflict(make: SimpleNamespace, type_: str) -> None:
    live, _ = sets(make)
    coming = FeatureSet([make.attribute("age", type_)], [make.buy])
    ((name, fault),) = conflicts(live, coming)
    assert name == "age"
    assert fault.found == f"attribute 'age' was number and is {type_}"
    assert fault.expected == "give it a new name"
    assert list(conflicts(live, live)) == []
