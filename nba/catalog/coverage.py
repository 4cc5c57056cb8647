"""What can be wrong across the items of a catalog: ids that clash, and what nobody can see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nba.catalog.declarations import Declarations, Declared
from nba.domain.ids import MAX_ID_LENGTH, NO_ACTION, hash32
from nba.errors import Fault


def check_ids(declarations: Declarations) -> Iterator[Fault]:
    """Yield ids that are empty, too long, given twice, or share a 32-bit code with another.

    Packed records keep the codes of actions and placements, so two ids of one code would be one.
    """
    yield from _check_ids("dimension", declarations.dimensions)
    yield from _check_ids("placement", declarations.placements)
    yield from _check_ids("action", declarations.actions)
    yield from _check_ids("content", declarations.contents)
    yield from _check_codes("placement", declarations.placements)
    yield from _check_codes("action", declarations.actions)


def _check_ids(kind: str, declared: Declared[Any]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for written in declared:
        if not written.id.strip() or len(written.id) > MAX_ID_LENGTH:
            found = f"{kind} id of {len(written.id)} characters"
            yield written.fault(("id",), found, f"1 to {MAX_ID_LENGTH} characters are expected")
        elif written.id in first:
            found = f"{kind} {written.id!r} is given twice"
            yield written.fault(("id",), found, f"first at {first[written.id]}")
        else:
            first[written.id] = written.place("id")


def _check_codes(kind: str, declared: Declared[Any]) -> Iterator[Fault]:
    holder: dict[int, str] = {}
    for written in declared:
        other = holder.setdefault(hash32(written.id), written.id)
        if other != written.id:
            found = f"{kind} {written.id!r} has the same 32-bit code as {other!r}"
            yield written.fault(("id",), found, "give one of them another id")


def check_coverage(declarations: Declarations, *, folder: str) -> Iterator[Fault]:
    """Yield what is missing: ``no_action``, content of an action or placement, a default locale.

    Says nothing where not everything could be read, since then nothing is known to be missing.
    """
    if not declarations.readable:
        return
    if NO_ACTION not in declarations.actions.ids:
        found = f"no action {NO_ACTION!r}"
        expected = "add it: its value and base_rate are those of a purchase nobody asked for"
        yield Fault(folder, found, expected)
    if not declarations.knows_all(declarations.contents):
        return
    contents = [written.item for written in declarations.contents]
    shown = {content.action for content in contents}
    for action in declarations.actions:
        if action.id not in shown and not action.item.is_no_action:
            found = f"action {action.id!r} has no content"
            yield action.fault((), found, "add content, or remove the action")
    used = {placement for content in contents for placement in content.placements}
    for placement in declarations.placements:
        if placement.id not in used:
            found = f"placement {placement.id!r} has no content"
            yield placement.fault((), found, "add content, or remove the placement")
    yield from _check_default_locale(declarations)


def _check_default_locale(declarations: Declarations) -> Iterator[Fault]:
    project = declarations.project
    if project is None:
        return
    default = project.item.default_locale
    covered = {
        (written.item.action, placement)
        for written in declarations.contents
        for placement in written.item.placements
        if written.item.locale == default
    }
    for written in declarations.contents:
        content = written.item
        for index, placement in enumerate(content.placements):
            if (content.action, placement) not in covered:
                covered.add((content.action, placement))
                found = f"action {content.action!r} has content in {placement!r}"
                yield written.fault(
                    ("placements", index),
                    f"{found}, but not in the default locale",
                    f"add it in locale {default!r}",
                )
