"""What a sync changes: contents to put and to retire, compared with those there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nba.catalog.declarations import Connection
from nba.connectors.mapping import EntryReader
from nba.connectors.port import Changes
from nba.domain.catalog import Catalog
from nba.errors import Fault

Body = Mapping[str, Any]

_KEPT = ("confirmed_against", "version")
"""What people say of a content that came from elsewhere, and no sync takes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What is to be done for contents to say what a system says; bodies and ids are sorted by id.

    A content whose entry is not right stays as it is; ``faults`` say why, each at
    ``entry/<id>/<field>/<locale>``. ``cursor`` is where to go on next time.
    """

    put: Mapping[str, Body]
    retire: tuple[str, ...]
    unchanged: int
    faults: tuple[Fault, ...]
    cursor: str


def plan_sync(
    connection: Connection, changes: Changes, catalog: Catalog, contents: Mapping[str, Body]
) -> SyncPlan:
    """Return what to do about changes; ``contents`` are the bodies there are, by id."""
    faults = list(changes.faults)
    reader = EntryReader(connection, catalog)
    mine = {name: body for name, body in contents.items() if body.get("source") == connection.name}
    read: dict[str, Body | None] = {}
    for entry in changes.entries:
        for name, body in reader.contents(entry, faults):
            is_taken = name in contents and name not in mine
            if is_taken:
                found = f"content {name!r} is there already, and not from {connection.name!r}"
                faults.append(Fault(f"entry/{entry.id}", found, "retire or rename that one first"))
            read[name] = None if is_taken else body
    put = {
        name: _with_kept(body, mine.get(name, {}))
        for name, body in sorted(read.items())
        if body is not None and _is_news(body, mine.get(name))
    }
    told = {entry.id for entry in changes.entries} | changes.gone
    retire = [
        name
        for name, body in sorted(mine.items())
        if name not in read
        and body.get("external_id") not in changes.broken
        and (changes.is_complete or body.get("external_id") in told)
    ]
    sound = sum(body is not None for body in read.values())
    return SyncPlan(
        put=put,
        retire=tuple(retire),
        unchanged=sound - len(put),
        faults=tuple(faults),
        cursor=changes.cursor,
    )


def _with_kept(body: Body, held: Body) -> Body:
    kept = {name: held[name] for name in _KEPT if name in held}
    if body.get("master"):
        kept.pop("confirmed_against", None)
    return {**body, **kept}


def _is_news(body: Body, held: Body | None) -> bool:
    """Say whether a body says anything else than what is held; a mere revision is no news."""
    if held is None:
        return True
    new, old = dict(_with_kept(body, held)), dict(held)
    for one in (new, old):
        one.pop("revision", None)
    return new != old
