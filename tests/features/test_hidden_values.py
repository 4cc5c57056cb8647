"""What is sensitive is not repeated to whoever sent it wrongly, nor to any log of errors."""

from __future__ import annotations

from typing import Any

import pytest

from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import InputError
from nba.features import AttributeFeature, ContextFeature, EventDefinition, FeatureSet
from nba.features.definitions import FeatureType, PropertyType

NOW_MS = 1_750_000_000_000
WORD = "zwergpinscher"
HIDDEN = "found a value that is not shown"

TAGS = ("sensitive",)
FEATURES = FeatureSet(
    [
        AttributeFeature(
            name="faith", description="", type=FeatureType.ENUM, values=("none",), tags=TAGS
        ),
        AttributeFeature(
            name="creeds", description="", type=FeatureType.SET, values=("none",), tags=TAGS
        ),
        AttributeFeature(name="born", description="", type=FeatureType.DATE, tags=TAGS),
        AttributeFeature(name="age", description="", type=FeatureType.NUMBER),
        ContextFeature(
            name="mood", description="", type=FeatureType.NUMBER, maximum=5.0, tags=TAGS
        ),
    ],
    [
        EventDefinition(
            name="Visit",
            description="",
            properties={"ward": PropertyType.NUMBER, "page": PropertyType.NUMBER},
            sensitive=("ward",),
        )
    ],
)


@pytest.mark.parametrize(
    ("name", "value"),
    [("faith", WORD), ("creeds", [WORD]), ("creeds", WORD), ("born", WORD), ("faith", 36218)],
)
def test_a_wrong_attribute_is_named_and_not_shown(name: str, value: Any) -> None:
    update = ProfileUpdate(customer_id=CustomerId("anna"), attributes={name: value})
    with pytest.raises(InputError) as caught:
        FEATURES.update(None, update, at_ms=NOW_MS)
    with pytest.raises(InputError) as in_request:
        FEATURES.read(None, at_ms=NOW_MS, attributes={name: value})
    for error in (caught.value, in_request.value):
        (fault,) = error.faults
        assert (fault.place, fault.found) == (f"/attributes/{name}", HIDDEN)
        assert WORD not in str(error)
        assert "36218" not in str(error)


def test_a_wrong_context_value_likewise() -> None:
    with pytest.raises(InputError) as caught:
        FEATURES.read(None, at_ms=NOW_MS, context={"mood": 36218.0})
    (fault,) = caught.value.faults
    assert (fault.found, fault.expected) == (HIDDEN, "at most 5 is expected")


def test_a_wrong_property_likewise_and_one_that_is_not_sensitive_is_shown() -> None:
    event = Event(
        customer_id=CustomerId("anna"),
        name="Visit",
        message_id="m",
        at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        properties={"ward": WORD, "page": "first"},
    )
    with pytest.raises(InputError) as caught:
        FEATURES.check(event)
    ward, page = caught.value.faults
    assert (ward.place, ward.found) == ("/properties/ward", HIDDEN)
    assert page.found == "found 'first'"
