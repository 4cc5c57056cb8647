"""What the tests of features share: short ways to declare features, send events and read rows."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from nba.domain.catalog import Action, Catalog, Content, Direction, Placement
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.history import ContactHistory, pack_history
from nba.domain.ids import (
    NO_ACTION,
    ActionId,
    ContentId,
    CustomerId,
    FeatureName,
    PlacementId,
    Term,
    hash32,
)
from nba.domain.taxonomy import Taxonomy
from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction, InteractionFeature
from nba.features.definitions import (
    ActionFeature,
    AttributeFeature,
    ContextFeature,
    CrossFeature,
    DerivedFeature,
    EventDefinition,
    FeatureType,
    PropertyType,
    SegmentDefinition,
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

EMAIL = Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND)
WEB = Placement(id=PlacementId("web.home"), channel="web", direction=Direction.INBOUND)
NOTHING = Action(id=NO_ACTION, name="say nothing")
CARD = Action(
    id=ActionId("card"),
    name="card",
    terms=(Term("product:credit/card/gold"), Term("journey:onboarding")),
    value=40.0,
    cost=0.5,
    priority=3.0,
    launched_on="2025-06-01",
)
LOAN = Action(id=ActionId("loan"), name="loan", terms=(Term("product:credit/loan"),), value=90.0)
RECEIPT = Action(id=ActionId("receipt"), name="receipt", terms=(Term("product:service"),))


def content(id_: str, action: Action, *placements: Placement) -> Content:
    return Content(
        id=ContentId(id_),
        action=action.id,
        group=id_,
        placements=tuple(placement.id for placement in placements),
        locale="en",
    )


CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy({}),
    actions=(NOTHING, CARD, LOAN, RECEIPT),
    contents=(
        content("card-1", CARD, EMAIL, WEB),
        content("card-2", CARD, EMAIL),
        content("loan-1", LOAN, WEB),
    ),
    placements=(EMAIL, WEB),
)


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


def ratio(name: str, numerator: str, denominator: str, **more: Any) -> AggregateFeature:
    return aggregate(name, "ratio", event="", numerator=numerator, denominator=denominator, **more)


def interaction(name: str, of: str = "decision", **more: Any) -> InteractionFeature:
    return InteractionFeature(name=FeatureName(name), description="", of=of, **more)


def cross(name: str, of: str, source: str = "action.id") -> CrossFeature:
    return CrossFeature(name=FeatureName(name), description="", of=FeatureName(of), source=source)


def derived(name: str, expression: str, type_: Any = "number") -> DerivedFeature:
    return DerivedFeature(name=FeatureName(name), description="", expression=expression, type=type_)


def segment(name: str, condition: str) -> SegmentDefinition:
    return SegmentDefinition(name=name, description="", condition=condition)


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


def history(*contacts: tuple[int, str, str]) -> ContactHistory:
    """Return contacts given by second, action and placement, oldest first."""
    return pack_history([(at_s, hash32(chosen), hash32(place)) for at_s, chosen, place in contacts])


def row(features: FeatureSet, profile: bytes | None, at_ms: int = NOW_MS, **more: Any) -> Any:
    """Return a row by name."""
    found = features.read(profile, at_ms=at_ms, **more).features
    return dict(zip(features.names, found.tolist(), strict=True))


def played(features: FeatureSet, events: Iterable[Event], profile: bytes | None = None) -> bytes:
    """Return the profile after events, one at a time."""
    for item in events:
        profile = features.apply(profile, item)
    assert profile is not None
    return profile


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(
        attribute=attribute,
        context=context,
        aggregate=aggregate,
        ratio=ratio,
        interaction=interaction,
        cross=cross,
        derived=derived,
        segment=segment,
        action=action,
        event=event,
        update=update,
        history=history,
        row=row,
        played=played,
        now_ms=NOW_MS,
        buy=BUY,
        opened=OPEN,
        granted=Consent.GRANTED,
        denied=Consent.DENIED,
        unknown=Consent.UNKNOWN,
        catalog=CATALOG,
        email=EMAIL,
        web=WEB,
        nothing=NOTHING,
        card=CARD,
        loan=LOAN,
        receipt=RECEIPT,
    )
