"""Objects a marketer may change: each a kind, an id and a body; every version of it is kept.

A body is exactly what the item says in the project's files: plain data of the same schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

Body = Mapping[str, Any]

PROJECT_ID = "project"
"""The id of the one object of kind ``project``."""


class ObjectKind(StrEnum):
    """What an object is."""

    PROJECT = "project"
    DIMENSION = "dimension"
    PLACEMENT = "placement"
    ACTION = "action"
    CONTENT = "content"
    POLICY = "policy"
    SEGMENT = "segment"


class ObjectKey(NamedTuple):
    """Which object: ids are unique within a kind."""

    kind: ObjectKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


Objects = Mapping[ObjectKey, Body]
"""The bodies of many objects."""


class Status(StrEnum):
    """How far a version of an object has come; the first three are those of its change set."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    LIVE = "live"
    RETIRED = "retired"
