"""What is sensitive, by feature and by property."""

from __future__ import annotations

from nba.features import AttributeFeature, FeatureSet
from nba.features.definitions import EventDefinition, FeatureType, PropertyType
from nba.features.sensitivity import (
    is_sensitive,
    named_in,
    sensitive_names,
    sensitive_properties,
)


def test_tags_and_lists_say_what_is_sensitive():
    features = FeatureSet(
        [
            AttributeFeature(name="age", description="", type=FeatureType.NUMBER),
            AttributeFeature(
                name="faith", description="", type=FeatureType.NUMBER, tags=("sensitive", "x")
            ),
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
    )
    assert sensitive_names(features) == {"faith"}
    assert sensitive_properties(features) == {"Visit": {"ward"}}


def test_a_column_of_a_set_is_as_sensitive_as_the_set():
    names = frozenset({"faith"})
    assert is_sensitive("faith", names)
    assert is_sensitive("faith[none]", names)
    assert not is_sensitive("faithful", names)
    assert named_in(["a", "faith", "b"], names) == ("faith",)
