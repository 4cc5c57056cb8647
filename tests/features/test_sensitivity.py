"""What is sensitive: by its tag, or because it is computed from what is."""

from __future__ import annotations

from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction
from nba.features.definitions import (
    AttributeFeature,
    CrossFeature,
    DerivedFeature,
    EventDefinition,
    FeatureType,
    PropertyType,
    SegmentDefinition,
)
from nba.features.sensitivity import (
    is_sensitive,
    named_in,
    sensitive_names,
    sensitive_properties,
)


def attribute(name: str, *tags: str) -> AttributeFeature:
    return AttributeFeature(name=name, description="", type=FeatureType.NUMBER, tags=tags)


def visits(name: str, **more: str) -> AggregateFeature:
    return AggregateFeature(
        name=name, description="", event="Visit", function=AggregateFunction.COUNT, **more
    )


FEATURES = FeatureSet(
    [
        attribute("age"),
        attribute("income", "sensitive", "personal"),
        visits("visits"),
        visits("acute_visits", where="properties.ward == 'acute'"),
        visits("by_ward", by="ward"),
        AggregateFeature(
            name="acute_share",
            description="",
            function=AggregateFunction.RATIO,
            numerator="acute_visits",
            denominator="visits",
        ),
        CrossFeature(name="liking", description="", of="by_ward", source="action.id"),
        DerivedFeature(
            name="rich", description="", type="bool", expression="customer.income > 9.0"
        ),
        DerivedFeature(
            name="rich_and_old",
            description="",
            type="bool",
            expression="segment.well_off && customer.age > 60.0",
        ),
        DerivedFeature(name="old", description="", type="bool", expression="customer.age > 60.0"),
    ],
    [
        EventDefinition(
            name="Visit",
            description="",
            properties={"page": PropertyType.STRING, "ward": PropertyType.STRING},
            sensitive=("ward",),
        ),
        EventDefinition(name="Order", description=""),
    ],
    segments=[
        SegmentDefinition(name="well_off", description="", condition="customer.rich"),
        SegmentDefinition(name="elders", description="", condition="customer.old"),
    ],
)


def test_what_is_computed_from_something_sensitive_is_sensitive():
    assert sensitive_names(FEATURES) == {
        "income",
        "acute_visits",
        "by_ward",
        "acute_share",
        "liking",
        "rich",
        "rich_and_old",
        "segment_well_off",
    }


def test_properties_are_sensitive_by_event():
    assert sensitive_properties(FEATURES) == {"Visit": {"ward"}}


def test_a_column_of_a_set_is_as_sensitive_as_the_set():
    names = frozenset({"faith"})
    assert is_sensitive("faith", names)
    assert is_sensitive("faith[none]", names)
    assert not is_sensitive("faithful", names)
    assert named_in(["a", "faith", "b"], names) == ("faith",)
