"""What the tests of features share: short ways to declare features and send events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.ids import CustomerId, FeatureName
from nba.features.aggregates import AggregateFeature, AggregateFunction
from nba.features.definitions import (
    ActionFeature,
    AttributeFeature,
    ContextFeature,
    EventDefinition,
    FeatureType,
    PropertyType,
)

NOW_MS = 1_750_000_000_000
"""2025-06-15T15:06:40Z."""

BUY = EventDefinition(
    name="buy",
    description="a purchase",
    properties={
        "amount": PropertyType.NUMBER,
        "category": PropertyType.STRING,
        "gift": PropertyType.BOOL,
    },
)
OPEN = EventDefinition(name="App Opened", description="the app came to the front")


def attribute(name: str, type_: str = "number", **more: Any) -> AttributeFeature:
    return AttributeFeature(name=FeatureName(name), description="", type=FeatureType(type_), **more)


def context(name: str, type_: str = "number", **more: Any) -> ContextFeature:
    return ContextFeature(name=FeatureName(name), description="", type=FeatureType(type_), **more)


def aggregate(
    name: str, function: str = "count", event: str = "buy", **more: Any
) -> AggregateFeature:
    return AggregateFeature(
        name=FeatureName(name),
        description="",
        function=AggregateFunction(function),
        event=event,
        **more,
    )


def action(name: str, source: str) -> ActionFeature:
    return ActionFeature(name=FeatureName(name), description="", source=source)


def event(
    at_ms: int = NOW_MS,
    *,
    message_id: str = "m1",
    customer_id: str = "anna",
    name: str = "buy",
    received_at_ms: int = NOW_MS,
    **properties: Any,
) -> Event:
    return Event(
        customer_id=CustomerId(customer_id),
        name=name,
        message_id=message_id,
        at_ms=at_ms,
        received_at_ms=received_at_ms,
        properties=properties,
    )


def update(customer_id: str = "anna", **more: Any) -> ProfileUpdate:
    return ProfileUpdate(customer_id=CustomerId(customer_id), **more)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(
        attribute=attribute,
        context=context,
        aggregate=aggregate,
        action=action,
        event=event,
        update=update,
        now_ms=NOW_MS,
        buy=BUY,
        opened=OPEN,
        granted=Consent.GRANTED,
        denied=Consent.DENIED,
        unknown=Consent.UNKNOWN,
    )
