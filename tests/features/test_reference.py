"""The reference project's features: right as they are, and small for every customer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nba.errors import Fault
from nba.features import FeatureSet, load_features
from nba.features.definitions import AttributeFeature, FeatureType, PropertyType

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def features() -> FeatureSet:
    faults: list[Fault] = []
    loaded = load_features(ROOT / "features", root=ROOT, faults=faults)
    assert faults == []
    assert loaded is not None
    return loaded


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


def sent_every(features: FeatureSet, make: SimpleNamespace, profile: bytes, days: float) -> bytes:
    """Return the profile after a year in which each event came every so many days."""
    value = {PropertyType.NUMBER: 19.99, PropertyType.BOOL: True}
    words = ["home", "fashion", "kids"]
    for turn in range(int(365 / days)):
        for definition in features.events.values():
            properties = {
                name: value.get(type_, words[turn % 3])
                for name, type_ in definition.properties.items()
            }
            at_ms = make.now_ms - int(turn * days * DAY_MS)
            profile = features.apply(
                profile,
                make.event(at_ms, name=definition.name, **properties),
            )
    return profile


def test_a_customer_stays_small(features: FeatureSet, make: SimpleNamespace) -> None:
    quiet = filled(features, make)
    now_and_then = sent_every(features, make, quiet, 60)
    busiest = sent_every(features, make, quiet, 0.9)
    assert len(quiet) < 300
    assert len(now_and_then) < 600
    assert len(busiest) < 1_000
