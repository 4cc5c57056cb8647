"""What can be wrong with what is declared of a content management system."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from nba.catalog.declarations import Connection, Declarations, EntryMapping, Written
from nba.catalog.slots import url_problems
from nba.catalog.suggestions import nearest
from nba.domain.catalog import Placement
from nba.errors import Fault

KINDS = ("contentful",)
"""Systems there is a connector for."""

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that may be spoken to without TLS."""

_PREVIEW = "preview."


def check_connection(written: Written[Connection], declarations: Declarations) -> Iterator[Fault]:
    """Yield what is wrong with a connection, by itself and against the catalog."""
    connection = written.item
    if not connection.name.replace("_", "").replace("-", "").isalnum():
        expected = "a word of letters, digits, - and _"
        yield written.fault(("name",), f"connector {connection.name!r}", expected)
    if connection.kind not in KINDS:
        found = f"kind {connection.kind!r} is not known"
        yield written.fault(("kind",), found, nearest(connection.kind, KINDS))
    yield from _check_url(written)
    for key in ("space", "environment"):
        if not getattr(connection, key) or "/" in getattr(connection, key):
            found = f"{key} {getattr(connection, key)!r}"
            yield written.fault((key,), found, "an identifier, as its address has it")
    yield from _check_locales(written, declarations)
    if not connection.entries:
        yield written.fault(("entries",), "no entries", "say what types of entries become contents")
    for kind, mapping in connection.entries.items():
        yield from _check_mapping(written, kind, mapping, declarations)


def _check_url(written: Written[Connection]) -> Iterator[Fault]:
    url = written.item.url
    host = urlsplit(url).hostname or ""
    schemes = ("https", "http") if host in LOCAL_HOSTS else ("https",)
    for problem in url_problems(url, schemes):
        yield written.fault(("url",), problem.found, problem.expected)
    if host.startswith(_PREVIEW):
        found = f"{host!r} gives what is not published yet"
        yield written.fault(("url",), found, "the delivery API, such as cdn.contentful.com")


def _check_locales(written: Written[Connection], declarations: Declarations) -> Iterator[Fault]:
    locales = written.item.locales
    if not locales:
        yield written.fault(
            ("locales",), "no locales", "say which of its locales are which of ours"
        )
    project = declarations.project
    taken: dict[str, str] = {}
    for theirs, ours in locales.items():
        if project is not None and ours not in project.item.locales:
            found = f"locale {ours!r} is not known"
            yield written.fault(("locales", theirs), found, nearest(ours, project.item.locales))
        first = taken.setdefault(ours, theirs)
        if first != theirs:
            found = f"locale {ours!r} is that of {first!r} too"
            yield written.fault(("locales", theirs), found, "one for each")


def _check_mapping(
    written: Written[Connection], kind: str, mapping: EntryMapping, declarations: Declarations
) -> Iterator[Fault]:
    at = ("entries", kind)
    placements = {placement.id: placement.item for placement in declarations.placements}
    if not mapping.placements:
        yield written.fault((*at, "placements"), "no placements", "list where these are shown")
    for index, name in enumerate(mapping.placements):
        if declarations.readable and name not in declarations.placements.ids:
            found = f"placement {name!r} is not in the catalog"
            expected = nearest(name, declarations.placements.ids)
            yield written.fault((*at, "placements", index), found, expected)
    here = [placements[name] for name in mapping.placements if name in placements]
    if here and len(here) == len(mapping.placements):
        yield from _check_slots(written, at, mapping, here)
    taxonomy = declarations.taxonomy()
    for index, term in enumerate(mapping.terms):
        if declarations.knows_all(declarations.dimensions) and taxonomy.resolve(term) is None:
            found = f"term {term!r} is not in the taxonomy"
            yield written.fault((*at, "terms", index), found, nearest(term, taxonomy.terms()))


def _check_slots(
    written: Written[Connection],
    at: tuple[str, str],
    mapping: EntryMapping,
    here: list[Placement],
) -> Iterator[Fault]:
    known = {slot for placement in here for slot in placement.slots}
    for slot in mapping.slots:
        if slot not in known:
            found = f"slot {slot!r} is shown in none of these placements"
            yield written.fault((*at, "slots", slot), found, nearest(slot, known))
    for placement in here:
        for slot, wanted in placement.slots.items():
            if wanted.required and slot not in mapping.slots:
                found = f"slot {slot!r}, which {placement.id!r} shows, has no field"
                yield written.fault((*at, "slots"), found, "say which field fills it")
    fields = {*mapping.slots.values()}
    for index, name in enumerate(mapping.shared):
        if name not in fields:
            found = f"field {name!r} fills no slot"
            yield written.fault((*at, "shared", index), found, nearest(name, fields))
