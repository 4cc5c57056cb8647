"""Values that come with a request."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nba.errors import InputError
from nba.features import FeatureSet

DAY_MS = 86_400_000


@pytest.fixture
def features(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("since", "date"),
            make.attribute("likes", "set", values=("a", "b")),
            make.attribute("stale", freshness="1d"),
            make.context("basket", minimum=0.0, maximum=100.0),
            make.context("device", "enum", values=("web", "app"), default="app"),
            make.context("urgent", "bool"),
        ],
        [],
    )


def row(features: FeatureSet, make: SimpleNamespace, **given: object) -> dict[str, float]:
    view = features.read(None, at_ms=20_000 * DAY_MS + DAY_MS // 2, **given)  # type: ignore[arg-type]
    return dict(zip(features.names, view.features.tolist(), strict=True))


def test_context_becomes_numbers(features: FeatureSet, make: SimpleNamespace) -> None:
    found = row(features, make, context={"basket": 12, "device": "web", "urgent": True})
    assert (found["basket"], found["device"], found["urgent"]) == (12.0, 0.0, 1.0)


def test_what_is_not_given_is_missing_or_its_default(
    features: FeatureSet, make: SimpleNamespace
) -> None:
    found = row(features, make)
    assert found["device"] == 1.0
    assert all(found[name] != found[name] for name in ("basket", "urgent", "age", "since"))


def test_inline_date_is_read_as_days_since(features: FeatureSet, make: SimpleNamespace) -> None:
    found = row(features, make, attributes={"since": "1970-01-11"})
    assert found["since"] == 19_990.5
    assert row(features, make, attributes={"since": "2024-10-06"})["since"] == -1.5


def test_inline_set_replaces_all_its_values(features: FeatureSet, make: SimpleNamespace) -> None:
    found = row(features, make, attributes={"likes": ["b"]})
    assert (found["likes[a]"], found["likes[b]"]) == (0.0, 1.0)
    found = row(features, make, attributes={"likes": ()})
    assert (found["likes[a]"], found["likes[b]"]) == (0.0, 0.0)


def test_what_is_given_now_is_fresh(features: FeatureSet, make: SimpleNamespace) -> None:
    assert row(features, make, attributes={"stale": 3})["stale"] == 3.0


def test_every_fault_of_a_request_is_named(features: FeatureSet, make: SimpleNamespace) -> None:
    with pytest.raises(InputError) as caught:
        row(
            features,
            make,
            context={
                "basket": 101,
                "device": "tv",
                "urgent": 1,
                "basket/size": 1,
                "age": 3,
            },
            attributes={"age": float("inf"), "device": "web", "likes": ["a", "c"], "stale": None},
        )
    assert [str(fault) for fault in caught.value.faults] == [
        "/context/basket: found 101; at most 100 is expected",
        "/context/device: found 'tv'; one of: web, app",
        "/context/urgent: found 1; true or false is expected",
        "/context/basket~1size: not declared; one of: basket, device, urgent",
        "/context/age: not declared; one of: basket, device, urgent",
        "/attributes/age: found inf; a number from -1e+30 to 1e+30 is expected",
        "/attributes/device: not declared; one of: age, likes, since, stale",
        "/attributes/likes: found 'c'; a list of any of: a, b",
        "/attributes/stale: found null; a value, or leave it out",
    ]
