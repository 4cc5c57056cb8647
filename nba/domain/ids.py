"""Named identifiers: opaque strings of at most 128 characters."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NewType

CustomerId = NewType("CustomerId", str)
ActionId = NewType("ActionId", str)
ContentId = NewType("ContentId", str)
PlacementId = NewType("PlacementId", str)
PolicyId = NewType("PolicyId", str)
FeatureName = NewType("FeatureName", str)
ModelName = NewType("ModelName", str)
DecisionId = NewType("DecisionId", str)
OutcomeId = NewType("OutcomeId", str)
PlanVersion = NewType("PlanVersion", str)
Term = NewType("Term", str)

MAX_ID_LENGTH = 128
"""Longest identifier accepted anywhere, in characters."""

NO_ACTION = ActionId("no_action")
"""The action of saying nothing: always a candidate, scored like any other."""

_DECISION_ID = re.compile(r"[0-9a-f]{24}")
_PARTITION_DIGITS = 3
_MOMENT_END = 14


@lru_cache(maxsize=1 << 17)
def hash32(identifier: str) -> int:
    """Stable 32-bit code of an identifier, as kept in packed records.

    Collisions within one catalog are refused when a plan is compiled.
    """
    return int.from_bytes(blake2b(identifier.encode(), digest_size=4).digest(), "little")


@lru_cache(maxsize=1 << 16)
def partition_of(customer_id: str, partitions: int) -> int:
    """Return the partition (hash slot) that holds everything about a customer."""
    digest = blake2b(customer_id.encode(), digest_size=4, person=b"nba-part").digest()
    return int.from_bytes(digest, "little") % partitions


def new_decision_id(partition: int, at_ms: int, random_bits: int) -> DecisionId:
    """Compose a decision id that carries its partition: 3 + 11 + 10 hexadecimal digits.

    >>> new_decision_id(5, 1_700_000_000_000, 255)
    '00518bcfe5680000000000ff'
    """
    return DecisionId(f"{partition:03x}{at_ms:011x}{random_bits & 0xFFFFFFFFFF:010x}")


def decision_partition(decision_id: str) -> int | None:
    """Return the partition a decision id carries, or ``None`` where it is not a decision id.

    >>> decision_partition("00518bcfe5680000000000ff")
    5
    """
    if _DECISION_ID.fullmatch(decision_id) is None:
        return None
    return int(decision_id[:_PARTITION_DIGITS], 16)


def decided_at_ms(decision_id: DecisionId) -> int:
    """Return when a decision was made, which its id carries, in milliseconds since the epoch.

    >>> decided_at_ms(new_decision_id(5, 1_700_000_000_000, 255))
    1700000000000
    """
    return int(decision_id[_PARTITION_DIGITS:_MOMENT_END], 16)


def uniform_hash(salt: str, identifier: str) -> float:
    """Return a stable number in [0, 1) for sticky assignment (holdouts, experiments)."""
    digest = blake2b(f"{salt}\x00{identifier}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
