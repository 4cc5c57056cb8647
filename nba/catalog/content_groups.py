"""Content groups: which variants agree with their master, and saying that they do.

A group ties the same message over channels and locales; one of it may be the master. A variant says
in ``confirmed_against`` the fingerprint of the master it was last found to agree with. Whether the
master has changed since is told by what it says, not by a number somebody had to raise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nba.catalog.suggestions import nearest
from nba.domain.catalog import Catalog, Content
from nba.domain.ids import ActionId, ContentId
from nba.errors import Fault, InputError, NotFoundError

Body = Mapping[str, Any]
Key = TypeVar("Key", bound=tuple[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A content of a group that has a master, and how it stands to it.

    ``confirmed_against`` is empty where it never was confirmed; ``master_fingerprint`` is what the
    master's is now.
    """

    content: ContentId
    group: str
    action: ActionId
    locale: str
    master: ContentId
    master_fingerprint: str
    confirmed_against: str
    is_withheld: bool

    @property
    def is_stale(self) -> bool:
        """Whether the master has changed since it was confirmed, or it never was."""
        return self.confirmed_against != self.master_fingerprint


def variants(catalog: Catalog) -> Iterator[Variant]:
    """Iterate over every content whose group has a master but the masters, as declared."""
    masters = {content.group: content for content in catalog.contents if content.master}
    withheld = catalog.withheld
    for content in catalog.contents:
        master = masters.get(content.group)
        if master is not None and not content.master:
            yield Variant(
                content=content.id,
                group=content.group,
                action=content.action,
                locale=content.locale,
                master=master.id,
                master_fingerprint=master.fingerprint,
                confirmed_against=content.confirmed_against,
                is_withheld=content.id in withheld,
            )


def stale_variants(catalog: Catalog) -> tuple[Variant, ...]:
    """Return the variants that are to be looked at again, as declared."""
    return tuple(variant for variant in variants(catalog) if variant.is_stale)


def confirm(
    objects: Mapping[Key, Body], contents: Collection[str] = (), *, groups: Collection[str] = ()
) -> dict[Key, Body]:
    """Return the bodies that change where variants are said to agree with their master as it is.

    Name contents, or groups for all of each. What is confirmed already does not change.

    Raises :class:`~nba.errors.NotFoundError` where a content or group is not there, and
    :class:`~nba.errors.InputError` where a content named is a master, or its group has none.
    """
    mine = {key: body for key, body in objects.items() if key[0] == "content"}
    masters = {body["group"]: body for body in mine.values() if body.get("master")}
    _require(contents, {key[1] for key in mine}, "content")
    _require(groups, {body["group"] for body in mine.values()}, "group")
    faults = [
        Fault(f"content/{key[1]}", found, "name a variant of a group that has a master")
        for key, body in mine.items()
        if key[1] in contents and (found := _obstacle(body, masters))
    ]
    faults += [
        Fault(f"group {group!r}", "it has no master", "let one of it be `master: true`")
        for group in groups
        if group not in masters
    ]
    if faults:
        raise InputError(faults)
    changed: dict[Key, Body] = {}
    for key, body in mine.items():
        if body.get("master") or not (key[1] in contents or body["group"] in groups):
            continue
        fingerprint = fingerprint_of(masters[body["group"]])
        if body.get("confirmed_against") != fingerprint:
            changed[key] = {**body, "confirmed_against": fingerprint}
    return changed


def fingerprint_of(body: Body) -> str:
    """Return the fingerprint of a content's body."""
    named = ("source", "external_id", "url", "revision")
    return Content(
        id=ContentId(""),
        action=ActionId(""),
        group="",
        placements=(),
        locale="",
        slots=body.get("slots") or {},
        **{name: body.get(name, "") for name in named},
    ).fingerprint


def _obstacle(body: Body, masters: Mapping[str, Body]) -> str:
    if body.get("master"):
        return f"it is the master of group {body['group']!r}"
    if body["group"] not in masters:
        return f"its group {body['group']!r} has no master"
    return ""


def _require(names: Collection[str], known: set[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise NotFoundError(f"{what} {name!r} is not in the catalog; {nearest(name, known)}")
