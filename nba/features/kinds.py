"""Every kind of feature, by the word that declares it."""

from __future__ import annotations

from collections.abc import Mapping

from nba.features.aggregates import AggregateFeature, InteractionFeature
from nba.features.definitions import (
    ActionFeature,
    AttributeFeature,
    ContextFeature,
    CrossFeature,
    DerivedFeature,
)

FeatureDefinition = (
    AttributeFeature
    | AggregateFeature
    | InteractionFeature
    | DerivedFeature
    | ContextFeature
    | ActionFeature
    | CrossFeature
)

KINDS: Mapping[str, type[FeatureDefinition]] = {
    "attribute": AttributeFeature,
    "aggregate": AggregateFeature,
    "interaction": InteractionFeature,
    "derived": DerivedFeature,
    "context": ContextFeature,
    "action": ActionFeature,
    "cross": CrossFeature,
}
"""Definition class by ``kind``."""
