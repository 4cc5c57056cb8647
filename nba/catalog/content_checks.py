"""What can be wrong with contents: what they are for, what their slots hold, and their groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nba.catalog.declarations import Declarations, Written
from nba.catalog.rendering import TemplateNames, compile_slot
from nba.catalog.slots import slot_problems, url_problems
from nba.catalog.suggestions import nearest
from nba.catalog.taxonomy_checks import Terms
from nba.catalog.templating import TemplateError, has_template
from nba.domain.catalog import Action, Content, Placement, Slot
from nba.domain.ids import NO_ACTION
from nba.domain.taxonomy import Carrier
from nba.domain.validity import validity_faults
from nba.errors import Fault

_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


def check_content(
    written: Written[Content], declarations: Declarations, terms: Terms
) -> Iterator[Fault]:
    """Yield what is wrong with one content, as far as it can be told without the features."""
    content = written.item
    if declarations.readable:
        yield from _unknown_ids(written, declarations)
    if content.action == NO_ACTION:
        yield written.fault(("action",), "content for no_action", "remove it: it says nothing")
    if not content.placements:
        yield written.fault(("placements",), "content without a placement", "list its placements")
    yield from terms.check(written, Carrier.CONTENT, content.terms)
    project = declarations.project
    if project is not None and content.locale not in project.item.locales:
        expected = nearest(content.locale, project.item.locales)
        yield written.fault(("locale",), f"locale {content.locale!r} is not known", expected)
    yield from check_validity(written)
    yield from _check_reference(written)
    by_id = {placement.id: placement.item for placement in declarations.placements}
    here = [by_id[name] for name in content.placements if name in by_id]
    if content.is_by_reference:
        yield from _check_fetching(written, here)
    else:
        yield from _check_slots(written, here, declarations)


def check_validity(written: Written[Action] | Written[Content]) -> Iterator[Fault]:
    """Yield what is wrong with from when and until when something holds."""
    for key, found, expected in validity_faults(written.item.starts, written.item.ends):
        yield written.fault((key,), found, expected)


def _check_reference(written: Written[Content]) -> Iterator[Fault]:
    content = written.item
    if content.external_id and not content.source:
        found = f"external_id {content.external_id!r} without a source"
        yield written.fault(("external_id",), found, "name the source it is an id of")
    if content.revision and not content.source:
        found = f"revision {content.revision!r} without a source"
        yield written.fault(("revision",), found, "name the source whose word it is")
    if content.url:
        for problem in url_problems(content.url, ("https",)):
            yield written.fault(("url",), problem.found, problem.expected)
        if content.slots:
            found = "both slots and a url"
            yield written.fault(("url",), found, "write it out, or say where it is")
    if content.source and not (content.external_id or content.url):
        found = f"source {content.source!r} without an id"
        yield written.fault(("source",), found, "add the external_id it has there, or a url")


def _check_fetching(written: Written[Content], here: list[Placement]) -> Iterator[Fault]:
    """Yield placements that cannot fetch a content that is held elsewhere."""
    source = written.item.source
    for placement in here:
        if source not in placement.references:
            found = f"{placement.id!r} shows no contents of {source!r} by reference"
            if not source:
                found = f"{placement.id!r} cannot tell whose content this is"
            known = ", ".join(placement.references) or "none"
            yield written.fault(
                ("source",), found, f"write out its slots, or name a source it knows: {known}"
            )


def _check_slots(
    written: Written[Content], here: list[Placement], declarations: Declarations
) -> Iterator[Fault]:
    content = written.item
    told: set[str] = set()
    looked_at: set[tuple[str, Slot]] = set()
    for placement in here:
        for name, slot in placement.slots.items():
            if name in told or (name, slot) in looked_at:
                continue
            looked_at.add((name, slot))
            text = content.slots.get(name)
            if text is not None and text.strip():
                for problem in slot_problems(text, slot):
                    told.add(name)
                    found = f"slot {name!r} in {placement.id!r}: {problem.found}"
                    yield written.fault(("slots", name), found, problem.expected)
            elif slot.required:
                told.add(name)
                lack = "missing" if text is None else "empty"
                at = ("slots",) if text is None else ("slots", name)
                found = f"slot {name!r}, which {placement.id!r} shows, is {lack}"
                yield written.fault(at, found, "add its text")
    # Where one is missing, another that nobody shows is probably it, misspelt.
    if not told and declarations.readable and len(here) == len(content.placements):
        known = {name for placement in here for name in placement.slots}
        for name in content.slots:
            if name not in known:
                found = f"slot {name!r} is shown in none of its placements"
                yield written.fault(("slots", name), found, nearest(name, known))


def check_templates(declarations: Declarations, names: TemplateNames) -> Iterator[Fault]:
    """Yield templates that name what is not known or may not be shown, or may come out too long.

    Call it on a catalog that has no other faults.
    """
    actions = {written.id: written.item for written in declarations.actions}
    placements = {written.id: written.item for written in declarations.placements}
    for written in declarations.contents:
        content = written.item
        told: set[str] = set()
        for placement in (placements[name] for name in content.placements):
            for name, text in content.slots.items():
                slot = placement.slots.get(name)
                if slot is None or name in told or not has_template(text):
                    continue
                try:
                    compile_slot(
                        name, text, slot, actions[content.action], content, placement, names
                    )
                except TemplateError as error:
                    told.add(name)
                    found = f"slot {name!r}, column {error.column}: {error.found}"
                    yield written.fault(("slots", name), found, error.expected)


def check_groups(declarations: Declarations) -> Iterator[Fault]:
    """Yield groups that are no single message: of two actions, of two masters, or of none."""
    first: dict[str, Written[Content]] = {}
    masters: dict[str, Written[Content]] = {}
    for written in declarations.contents:
        content = written.item
        other = first.setdefault(content.group, written)
        if other.item.action != content.action:
            found = f"group {content.group!r} is about {content.action!r} here"
            expected = f"{other.item.action!r}, as at {other.place('action')}, or another group"
            yield written.fault(("action",), found, expected)
        if content.master and masters.setdefault(content.group, written) is not written:
            found = f"group {content.group!r} has a second master"
            expected = f"one of both; first at {masters[content.group].place('master')}"
            yield written.fault(("master",), found, expected)
    for written in declarations.contents:
        yield from _check_confirmation(written, masters, declarations)


def _check_confirmation(
    written: Written[Content], masters: dict[str, Written[Content]], declarations: Declarations
) -> Iterator[Fault]:
    content = written.item
    if not content.confirmed_against:
        return
    at = ("confirmed_against",)
    if not _FINGERPRINT.fullmatch(content.confirmed_against):
        found = f"confirmed_against {content.confirmed_against!r}"
        yield written.fault(at, found, "what `nba content confirm` writes: 12 hexadecimal digits")
    if content.master:
        found = "the master of a group is confirmed against"
        yield written.fault(at, found, "remove it: the others are confirmed against the master")
    elif content.group not in masters and declarations.knows_all(declarations.contents):
        found = f"group {content.group!r} has no master to be confirmed against"
        yield written.fault(at, found, "let one of it be `master: true`, or remove this")


def _unknown_ids(written: Written[Content], declarations: Declarations) -> Iterator[Fault]:
    content = written.item
    actions, placements = declarations.actions.ids, declarations.placements.ids
    if content.action not in actions:
        found = f"action {content.action!r} is not in the catalog"
        yield written.fault(("action",), found, nearest(content.action, actions))
    for index, placement in enumerate(content.placements):
        if placement not in placements:
            found = f"placement {placement!r} is not in the catalog"
            yield written.fault(("placements", index), found, nearest(placement, placements))
