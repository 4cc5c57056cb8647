"""Which column of a file is which, by name or by a mapping (``--mapping``).

Without a mapping, ``customer_id`` names the customer. A file with ``event`` (or ``name``) and
``timestamp`` (or ``at``) beside it holds events, with ``message_id`` where there is one; any other
column is a property, ``properties.`` before its name or not. Any other file holds customers:
``time_zone``, ``locale``, consents as ``consents.<channel>.<purpose>``, uploaded lists as
``audiences.<name>``; every other column is an attribute, ``attributes.`` before its name or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from nba.documents import convert, read
from nba.errors import DefinitionError, Fault

PROPERTY_PREFIX = "properties."
ATTRIBUTE_PREFIX = "attributes."
CONSENT_PREFIX = "consents."
AUDIENCE_PREFIX = "audiences."
_CONSENT_PARTS = 3
_TOP = "ingest"


class Kind(StrEnum):
    """What the rows of a file are."""

    EVENTS = "events"
    CUSTOMERS = "customers"


class Role(StrEnum):
    """What a column is where it is neither property, attribute, list nor consent."""

    CUSTOMER_ID = "customer_id"
    EVENT = "event"
    TIMESTAMP = "timestamp"
    MESSAGE_ID = "message_id"
    TIME_ZONE = "time_zone"
    LOCALE = "locale"


_NAMES: Mapping[Kind, Mapping[str, Role]] = {
    Kind.EVENTS: {
        "customer_id": Role.CUSTOMER_ID,
        "event": Role.EVENT,
        "name": Role.EVENT,
        "timestamp": Role.TIMESTAMP,
        "at": Role.TIMESTAMP,
        "message_id": Role.MESSAGE_ID,
    },
    Kind.CUSTOMERS: {
        "customer_id": Role.CUSTOMER_ID,
        "time_zone": Role.TIME_ZONE,
        "locale": Role.LOCALE,
    },
}
"""What a column is by its name; of two for the same, the first here counts, the other is data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMapping:
    """A mapping as written, under the one key ``ingest``.

    ``columns`` renames columns of the file to the names above; a column renamed to nothing is left
    out. ``event`` is the event of every row where no column says so.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    kind: Kind | None = None
    columns: dict[str, str | None] = field(default_factory=dict)
    event: str | None = None


def load_mapping(path: Path) -> FileMapping:
    """Read a mapping; :class:`~nba.errors.DefinitionError` with file and line of each fault."""
    document = read(path.resolve(), root=path.resolve().parent)
    faults = [
        Fault(document.place(key), f"unknown key {key!r}", f"a mapping has the one key {_TOP!r}")
        for key in document.data
        if key != _TOP
    ]
    found = convert(document, document.data.get(_TOP) or {}, FileMapping, faults, _TOP)
    if faults or found is None:
        raise DefinitionError(faults)
    return found


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of one file is, by position.

    ``roles`` has the columns with a role of their own, ``data`` the others that are kept: their
    position and the name of property, attribute, list, or consent (channel and purpose).
    """

    kind: Kind
    roles: Mapping[Role, int]
    data: Sequence[tuple[int, str]]
    consents: Sequence[tuple[int, str, str]]
    audiences: Sequence[tuple[int, str]] = ()
    event: str | None = None


def columns_of(
    names: Sequence[str],
    place: str,
    *,
    kind: Kind | None = None,
    mapping: FileMapping | None = None,
) -> Columns:
    """Return what the columns of a file are.

    Raises :class:`~nba.errors.DefinitionError` where one that is needed is absent, one is there
    twice, or the mapping names one that is not there.
    """
    mapping = mapping or FileMapping()
    there = f"the columns are: {', '.join(names)}"
    faults = [
        Fault(place, f"there is no column {name!r}, which the mapping names", there)
        for name in mapping.columns
        if name not in names
    ]
    called = [mapping.columns.get(name, name) for name in names]
    faults += [
        Fault(place, f"column {name!r} is there twice", "name each column once")
        for name in sorted({name for name in called if name and called.count(name) > 1})
    ]
    kind = kind or mapping.kind or _kind_of(called, mapping)
    roles: dict[Role, int] = {}
    for name, role in _NAMES[kind].items():
        if name in called and role not in roles:
            roles[role] = called.index(name)
    needed = [Role.CUSTOMER_ID]
    if kind is Kind.EVENTS:
        needed += [Role.TIMESTAMP] if mapping.event else [Role.EVENT, Role.TIMESTAMP]
    faults += [
        Fault(place, f"there is no column {role.value!r}", there)
        for role in needed
        if role not in roles
    ]
    if faults:
        raise DefinitionError(faults)
    taken = set(roles.values())
    audiences: list[tuple[int, str]] = []
    if kind is Kind.CUSTOMERS:
        audiences = [
            (position, name.removeprefix(AUDIENCE_PREFIX))
            for position, name in enumerate(called)
            if name and name.startswith(AUDIENCE_PREFIX)
        ]
    data, consents = _data(kind, called, taken | {position for position, _ in audiences})
    return Columns(kind, roles, data, consents, audiences, mapping.event)


def _kind_of(called: Sequence[str | None], mapping: FileMapping) -> Kind:
    has_event = mapping.event is not None or {"event", "name"}.intersection(called)
    has_time = {"timestamp", "at"}.intersection(called)
    return Kind.EVENTS if has_event and has_time else Kind.CUSTOMERS


def _data(
    kind: Kind, called: Sequence[str | None], taken: set[int]
) -> tuple[list[tuple[int, str]], list[tuple[int, str, str]]]:
    data: list[tuple[int, str]] = []
    consents: list[tuple[int, str, str]] = []
    prefix = PROPERTY_PREFIX if kind is Kind.EVENTS else ATTRIBUTE_PREFIX
    for position, name in enumerate(called):
        if not name or position in taken:
            continue
        parts = name.split(".", _CONSENT_PARTS - 1)
        if (
            kind is Kind.CUSTOMERS
            and name.startswith(CONSENT_PREFIX)
            and len(parts) == _CONSENT_PARTS
        ):
            consents.append((position, parts[1], parts[2]))
        else:
            data.append((position, name.removeprefix(prefix)))
    return data, consents
