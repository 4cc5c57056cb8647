"""The feature sets that are measured, each declared in a folder beside this file."""

from __future__ import annotations

from pathlib import Path

from nba.errors import DefinitionError, Fault
from nba.features import FeatureSet, load_features

ROOT = Path(__file__).parent
FIFTY = "fifty"
COMPLETEJOURNEY = "completejourney"
STARBUCKS = "starbucks"


def load(name: str) -> FeatureSet:
    """Return one of the measured feature sets."""
    faults: list[Fault] = []
    found = load_features(ROOT / name, root=ROOT, faults=faults)
    if found is None:
        raise DefinitionError(faults)
    return found
