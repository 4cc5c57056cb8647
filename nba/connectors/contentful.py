"""Contentful, by the Sync API of its delivery API, which gives published entries only.

The first sync gives everything a page at a time; its last page has a token that later gives what
was published, unpublished or deleted since, pictures (assets) included. One call is a handful of
requests, whatever the size of the space.

Reference: https://www.contentful.com/developers/docs/references/content-delivery-api/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from nba.catalog.declarations import Connection
from nba.connectors.http import Fetcher
from nba.connectors.port import Changes, Entry
from nba.errors import Fault, UnavailableError

PAGE_ENTRIES = 500
"""Entries asked for in a page."""

_MOST_PAGES = 10_000
_UNKNOWN_CURSOR = frozenset({400, 404, 410, 422})
_MISSING = frozenset({404})
_DELETED = frozenset({"DeletedEntry", "DeletedAsset"})


@dataclass(slots=True)
class _Gathered:
    """What a sync has given so far."""

    entries: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    assets: dict[str, Mapping[str, str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    has_moved_assets: bool = False
    faults: list[Fault] = field(default_factory=list)


class ContentfulConnector:
    """One environment of a space.

    Parameters
    ----------
    connection
        Where it is.
    token
        An access token of its delivery API.
    client
        Carries the timeout.
    sleep
        Waits that many seconds.

    """

    def __init__(
        self,
        connection: Connection,
        *,
        token: str,
        client: httpx.Client,
        sleep: Callable[[float], None],
    ) -> None:
        parts = (connection.space, "environments", connection.environment)
        path = "/".join(quote(part, safe="") for part in parts)
        self._name = connection.name
        self._fetcher = Fetcher(
            client,
            name=connection.name,
            base=f"{connection.url.rstrip('/')}/spaces/{path}",
            token=token,
            sleep=sleep,
        )

    def changes(self, cursor: str | None) -> Changes:
        """Return what was published or taken back since a cursor; all there is without one."""
        if cursor is not None:
            found = self._sync(cursor)
            # A picture may be in entries that did not change, so they are all looked at again.
            if found is not None and not found[0].has_moved_assets:
                return self._changes(*found, is_complete=False)
        everything = self._sync(None)
        if everything is None:
            raise UnavailableError(f"connector {self._name!r} refuses to begin a sync")
        return self._changes(*everything, is_complete=True)

    def close(self) -> None:
        """Close connections."""
        self._fetcher.close()

    def _sync(self, cursor: str | None) -> tuple[_Gathered, str] | None:
        """Read every page; ``None`` where the cursor is not known any more."""
        gathered = _Gathered()
        query: dict[str, str | int] = {"initial": "true", "limit": PAGE_ENTRIES}
        if cursor:
            query = {"sync_token": cursor}
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            unknown = _UNKNOWN_CURSOR if cursor else frozenset[int]()
            page = self._fetcher.get("/sync", query, absent=unknown)
            if page is None:
                return None
            for position, item in enumerate(_list(page, "items", self._name)):
                _take(item, position, gathered)
            if "nextSyncUrl" in page:
                return gathered, _token(page["nextSyncUrl"], self._name)
            token = _token(page.get("nextPageUrl"), self._name)
            if token in seen:
                break
            seen.add(token)
            query = {"sync_token": token}
        raise UnavailableError(f"connector {self._name!r} gives pages without an end")

    def _changes(self, gathered: _Gathered, cursor: str, *, is_complete: bool) -> Changes:
        return Changes(
            entries=tuple(self._entry(item, gathered.assets) for item in gathered.entries.values()),
            gone=frozenset(gathered.gone),
            cursor=cursor,
            is_complete=is_complete,
            broken=frozenset(gathered.broken),
            faults=tuple(gathered.faults),
        )

    def _entry(self, item: Mapping[str, Any], assets: dict[str, Mapping[str, str]]) -> Entry:
        sys = item["sys"]
        return Entry(
            id=sys["id"],
            kind=sys["contentType"]["sys"]["id"],
            revision=str(sys["revision"]),
            fields={
                name: {
                    locale: self._value(value, locale, assets) for locale, value in texts.items()
                }
                for name, texts in item["fields"].items()
                if isinstance(texts, Mapping)
            },
        )

    def _value(self, value: Any, locale: str, assets: dict[str, Mapping[str, str]]) -> Any:
        """Return what a field says; a picture's address, or what it is where there is none."""
        link = value.get("sys") if isinstance(value, Mapping) else None
        if not isinstance(link, Mapping) or link.get("linkType") != "Asset":
            return value
        asset = str(link.get("id"))
        if asset not in assets:
            found = self._fetcher.get(
                f"/assets/{quote(asset, safe='')}", {"locale": "*"}, absent=_MISSING
            )
            assets[asset] = {} if found is None else _addresses(found)
        addresses = assets[asset]
        return addresses.get(locale) or next(iter(addresses.values()), value)


def _take(item: Any, position: int, gathered: _Gathered) -> None:
    """Sort one item of a page in; the last word on an entry counts."""
    sys = item.get("sys") if isinstance(item, Mapping) else None
    known = sys if isinstance(sys, Mapping) else {}
    kind, identifier = known.get("type"), known.get("id")
    if not isinstance(identifier, str) or not identifier:
        found = f"item {position} of a page has no sys.id"
        gathered.faults.append(Fault("/items", found, "an entry, an asset, or a deletion"))
    elif kind in _DELETED:
        gathered.entries.pop(identifier, None)
        gathered.assets.pop(identifier, None)
        gathered.has_moved_assets |= kind == "DeletedAsset"
        if kind == "DeletedEntry":
            gathered.broken.discard(identifier)
            gathered.gone.add(identifier)
    elif kind == "Asset":
        gathered.assets[identifier] = _addresses(item)
        gathered.has_moved_assets = True
    elif kind == "Entry":
        gathered.gone.discard(identifier)
        gathered.broken.discard(identifier)
        problem = _problem(item)
        if problem:
            gathered.broken.add(identifier)
            gathered.faults.append(Fault(f"/entries/{identifier}", problem, "an entry"))
        elif item["sys"]["revision"]:  # what was never published has revision 0
            gathered.entries[identifier] = item


def _problem(item: Mapping[str, Any]) -> str:
    """Say what an entry lacks to be one."""
    sys = item["sys"]
    kind = sys.get("contentType")
    inner = kind.get("sys") if isinstance(kind, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("id"), str):
        return "no sys.contentType.sys.id"
    if type(sys.get("revision")) is not int:
        return f"sys.revision {sys.get('revision')!r}"
    if not isinstance(item.get("fields"), Mapping):
        return f"fields {item.get('fields')!r}"[:80]
    return ""


def _addresses(asset: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the address of an asset's file by locale; without a scheme it is ``https``."""
    return dict(_files(asset))


def _files(asset: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fields = asset.get("fields")
    files = fields.get("file") if isinstance(fields, Mapping) else None
    for locale, file in files.items() if isinstance(files, Mapping) else ():
        url = file.get("url") if isinstance(file, Mapping) else None
        if isinstance(url, str):
            yield str(locale), f"https:{url}" if url.startswith("//") else url


def _list(page: Mapping[str, Any], key: str, name: str) -> list[Any]:
    found = page.get(key)
    if not isinstance(found, list):
        text = json.dumps(page)[:80]
        raise UnavailableError(f"connector {name!r} answers without {key}: {text}")
    return found


def _token(url: Any, name: str) -> str:
    """Return the token in the address of the next page; no address is followed as it is given."""
    tokens = parse_qs(urlsplit(url).query).get("sync_token") if isinstance(url, str) else None
    if not tokens:
        raise UnavailableError(f"connector {name!r} answers without a next page: {url!r}")
    return tokens[0]
