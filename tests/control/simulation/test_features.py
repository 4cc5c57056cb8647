"""Recorded rows taken to other features: by name, words by themselves, the rest missing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from nba.control.simulation.features import RowMap
from nba.features import FeatureSet
from nba.features.definitions import DerivedFeature


def features(source: Any, *, more: Any = (), drop: str = "", tiers: Any = None) -> FeatureSet:
    found = source.features
    definitions = [
        replace(item, values=tiers) if tiers and item.name == "tier" else item
        for item in found.definitions
        if item.name != drop
    ]
    return FeatureSet([*definitions, *more], found.events.values(), catalog=source.catalog)


def row(of: FeatureSet, **values: float) -> Any:
    found = of.read(None, at_ms=0).features.copy()
    for name, value in values.items():
        found[of.names.index(name)] = value
    return found


def test_the_same_features_leave_a_row_as_it_is(source) -> None:
    same = RowMap(source.features, features(source))
    given = row(source.features, age=30.0)
    assert same(given) is given
    assert same.lacking == ()


def test_values_are_found_by_name_wherever_they_stand(source) -> None:
    wanted = features(source, drop="tier")
    found = RowMap(source.features, wanted)(row(source.features, age=30.0, basket=9.5))
    assert found[wanted.names.index("age")] == 30.0
    assert found[wanted.names.index("basket")] == 9.5
    assert len(found) == len(wanted.names)


def test_what_was_not_recorded_is_missing_and_named(source) -> None:
    recorded = features(source, drop="tier")
    to_live = RowMap(recorded, source.features)
    found = to_live(row(recorded, age=30.0))
    assert to_live.lacking == ("tier",)
    assert math.isnan(found[source.features.names.index("tier")])
    assert found.dtype == np.float32


def test_words_are_the_same_words_under_another_code(source) -> None:
    wanted = features(source, tiers=("gold", "silver", "none"))
    to_wanted = RowMap(source.features, wanted)
    tier = wanted.names.index("tier")
    assert to_wanted(row(source.features, tier=0.0))[tier] == 2.0  # none
    assert to_wanted(row(source.features, tier=1.0))[tier] == 0.0  # gold
    fewer = features(source, tiers=("none", "silver"))
    assert math.isnan(RowMap(source.features, fewer)(row(source.features, tier=1.0))[tier])


def test_derived_features_are_computed_again(source) -> None:
    doubled = DerivedFeature(
        name="twice", expression="customer.age * 2.0", description="Twice.", unit="years", owner="x"
    )
    wanted = features(source, more=[doubled])
    to_wanted = RowMap(source.features, wanted)
    assert to_wanted.lacking == ()
    assert to_wanted(row(source.features, age=30.0))[wanted.names.index("twice")] == 60.0


def test_a_row_of_another_length_fits_not(source) -> None:
    to_row = RowMap(source.features, source.features)
    assert to_row.fits(row(source.features))
    assert not to_row.fits(row(source.features)[:-1])
