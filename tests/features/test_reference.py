"""The reference project's features: right as they are, and small for every customer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nba.catalog.loader import load_catalog
from nba.domain.catalog import Catalog
from nba.domain.ids import CustomerId
from nba.errors import Fault
from nba.features import FeatureSet, load_features
from nba.features.definitions import AttributeFeature, FeatureType, PropertyType

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    faults: list[Fault] = []
    loaded = load_catalog(ROOT / "catalog", root=ROOT, faults=faults)
    assert faults == []
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def features(catalog: Catalog) -> FeatureSet:
    faults: list[Fault] = []
    loaded = load_features(ROOT / "features", root=ROOT, faults=faults)
    assert faults == []
    assert loaded is not None
    return loaded.for_catalog(catalog)


def filled(features: FeatureSet, make: SimpleNamespace) -> bytes:
    """Return a profile with every attribute and eight consents."""
    value = {FeatureType.NUMBER: 1.0, FeatureType.BOOL: True, FeatureType.DATE: "2020-01-01"}
    attributes = {
        item.name: value.get(item.type) or item.values[0]
        for item in features.definitions
        if isinstance(item, AttributeFeature)
    }
    both = {"marketing": make.granted, "service": make.granted}
    consents = dict.fromkeys(("email", "sms", "push", "call"), both)
    profile, dropped = features.update(
        None,
        make.update(
            attributes=attributes,
            consents=consents,
            time_zone="America/Argentina/Buenos_Aires",
            locale="es-AR",
        ),
        at_ms=make.now_ms,
    )
    assert dropped == ()
    return profile


def sent_every(
    features: FeatureSet, catalog: Catalog, make: SimpleNamespace, profile: bytes, days: float
) -> bytes:
    """Return the profile after a year in which each event came every so many days.

    Every product is another one; everything that may be counted by outcomes is clicked and refused.
    """
    value = {PropertyType.NUMBER: 19.99, PropertyType.BOOL: True}
    categories = ["home", "fashion", "kids"]
    events = []
    for turn in reversed(range(int(365 / days))):
        at_ms = make.now_ms - int(turn * days * DAY_MS)
        for definition in features.events.values():
            words = {"category": categories[turn % 3], "product_id": f"p{turn}"}
            properties = {
                name: value.get(type_, words.get(name, categories[turn % 3]))
                for name, type_ in definition.properties.items()
            }
            events.append(
                make.event(at_ms, name=definition.name, received_at_ms=at_ms, **properties)
            )
        for kind in ("impression", "click", "reject"):
            placement = catalog.placements[turn % len(catalog.placements)]
            outcome = features.interaction(
                kind,
                catalog.actions[turn % len(catalog.actions)],
                placement,
                customer_id=CustomerId("anna"),
                message_id=f"{kind}{turn}",
                at_ms=at_ms,
                received_at_ms=at_ms,
            )
            assert outcome is not None
            events.append(outcome)
    return features.apply_moves(profile, features.moves(events))


def test_a_customer_stays_small(
    features: FeatureSet, catalog: Catalog, make: SimpleNamespace
) -> None:
    quiet = filled(features, make)
    now_and_then = sent_every(features, catalog, make, quiet, 60)
    busiest = sent_every(features, catalog, make, quiet, 0.9)
    assert len(quiet) < 300
    assert len(now_and_then) < 800
    assert len(busiest) < 2_000
    for days, profile in ((60, now_and_then), (0.9, busiest)):
        row = make.row(features, profile)
        assert row["orders_365d"] == pytest.approx(365 / days * 11.5 / 12, rel=0.05)
        assert row["order_value_365d"] == np.float32(19.99)
        assert row["clicks_30d"] == row["impressions_30d"]
    assert row["products_viewed_7d"] == 8.0  # 7 days of 0.9 each


def test_crosses_and_segments_read_what_they_say(
    features: FeatureSet, catalog: Catalog, make: SimpleNamespace
) -> None:
    busiest = sent_every(features, catalog, make, filled(features, make), 0.9)
    row = make.row(features, busiest)
    seen = {name: value for name, value in row.items() if name.startswith("action_impressions[")}
    assert len(seen) == len(catalog.actions)
    assert sum(seen.values()) == row["impressions_30d"]
    assert row["click_rate_30d"] == 1.0
    segments = {name: row[name] for name in row if name.startswith("segment_")}
    assert segments == {"segment_high_value": 1.0, "segment_lapsing": 0.0, "segment_upset": 1.0}
    nobody = make.row(features, None)
    assert np.isnan(nobody["segment_lapsing"])  # never bought: not known to lapse
    assert (nobody["segment_high_value"], nobody["segment_upset"]) == (0.0, 0.0)
