"""The bodies that management takes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from nba.access import Permission, Role, Scope
from nba.bodies import Identifier, Moment
from nba.catalog.changes import Operation

Note = Annotated[str, msgspec.Meta(max_length=2_000)]

_DAY_SECONDS = 86_400
_MOST_SECONDS = 366 * _DAY_SECONDS


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/changes``."""

    name: Identifier
    note: Note = ""


class ItemBody(msgspec.Struct, forbid_unknown_fields=True):
    """``PUT /v1/changes/{id}/items/{kind}/{object_id}``.

    ``put`` has a ``body``, as the object is written in files; ``rename`` and ``merge``, of a term
    (kind ``dimension``, id ``product:credit/card``), have a ``target``; ``retire`` has neither.
    """

    operation: Operation = Operation.PUT
    body: dict[str, Any] | None = None
    target: Annotated[str, msgspec.Meta(max_length=256)] = ""
    note: Note = ""


class StepBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a step is taken; may be left out."""

    note: Note = ""


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/keys``; ``only`` narrows what scope and roles allow."""

    name: Identifier
    scope: Scope
    roles: list[Role] = []
    only: list[Permission] = []
    expires_at: Moment | None = None


class RotationBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/keys/{name}/rotate``: how long the old secret stays good."""

    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=_MOST_SECONDS)] = _DAY_SECONDS
