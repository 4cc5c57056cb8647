"""The feature store: what ``features/*.yaml`` declares, kept per customer, read as one row."""

from nba.features.candidates import CandidateTable
from nba.features.definitions import (
    ActionFeature,
    AggregateFeature,
    AttributeFeature,
    ContextFeature,
    EventDefinition,
    FeatureDefinition,
)
from nba.features.feature_set import CustomerView, FeatureSet
from nba.features.ingest import ItemResult, ItemStatus, ProfileService
from nba.features.layout import StoredLayout
from nba.features.loader import load_features
from nba.features.memory import MemoryProfileStore
from nba.features.store import ForUpdate, ProfileStore, WriteResult

__all__ = [
    "ActionFeature",
    "AggregateFeature",
    "AttributeFeature",
    "CandidateTable",
    "ContextFeature",
    "CustomerView",
    "EventDefinition",
    "FeatureDefinition",
    "FeatureSet",
    "ForUpdate",
    "ItemResult",
    "ItemStatus",
    "MemoryProfileStore",
    "ProfileService",
    "ProfileStore",
    "StoredLayout",
    "WriteResult",
    "load_features",
]
