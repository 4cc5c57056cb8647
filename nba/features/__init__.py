"""The feature store: what ``features/*.yaml`` declares, kept per customer, read as one row."""

from nba.features.aggregates import AggregateFeature, InteractionFeature
from nba.features.aggregation import Moves
from nba.features.candidates import CandidateTable
from nba.features.definitions import (
    SENSITIVE,
    ActionFeature,
    AttributeFeature,
    ContextFeature,
    CrossFeature,
    DerivedFeature,
    EventDefinition,
    SegmentDefinition,
)
from nba.features.feature_set import CustomerView, FeatureSet
from nba.features.ingest import ProfileService
from nba.features.items import ItemResult, ItemStatus
from nba.features.kinds import FeatureDefinition
from nba.features.layout import StoredLayout
from nba.features.loader import build_features, load_features
from nba.features.memory import MemoryProfileStore
from nba.features.store import ForUpdate, ProfileStore, ProfileWrite, Wanted, WriteResult

__all__ = [
    "SENSITIVE",
    "ActionFeature",
    "AggregateFeature",
    "AttributeFeature",
    "CandidateTable",
    "ContextFeature",
    "CrossFeature",
    "CustomerView",
    "DerivedFeature",
    "EventDefinition",
    "FeatureDefinition",
    "FeatureSet",
    "ForUpdate",
    "InteractionFeature",
    "ItemResult",
    "ItemStatus",
    "MemoryProfileStore",
    "Moves",
    "ProfileService",
    "ProfileStore",
    "ProfileWrite",
    "SegmentDefinition",
    "StoredLayout",
    "Wanted",
    "WriteResult",
    "build_features",
    "load_features",
]
