"""What can be wrong with a catalog, item by item; :mod:`nba.catalog.coverage` looks across items.

The order is that of the words: the project, the taxonomy, placements, actions, contents. A check
that would only repeat an earlier fault (a term of a dimension that could not be read) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from math import isfinite

from nba.catalog.coverage import check_coverage, check_ids
from nba.catalog.declarations import Declarations, ProjectSettings, Written
from nba.catalog.suggestions import nearest
from nba.domain.catalog import Action, Content, Placement
from nba.domain.ids import NO_ACTION
from nba.domain.taxonomy import Dimension, dimension_of
from nba.errors import Fault

CHANNEL_DIMENSION = "channel"
"""Dimension of the taxonomy whose terms are the channels."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_TERM_PATH = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")


def check(declarations: Declarations, *, folder: str) -> Iterator[Fault]:
    """Yield every fault of a catalog; ``folder`` is the place of what is missing altogether."""
    yield from _check_project(declarations, folder)
    yield from check_ids(declarations)
    for dimension in declarations.dimensions:
        yield from _check_dimension(dimension)
    for placement in declarations.placements:
        yield from _check_placement(placement, declarations)
    for action in declarations.actions:
        yield from _check_action(action, declarations)
    for content in declarations.contents:
        yield from _check_content(content, declarations)
    yield from check_coverage(declarations, folder=folder)


def _check_project(declarations: Declarations, folder: str) -> Iterator[Fault]:
    written = declarations.project
    if written is None:
        if declarations.readable and not declarations.projects:
            yield Fault(folder, "no file describes the project", "add project.yaml with `project:`")
        return
    project = written.item
    if not _CURRENCY.fullmatch(project.currency):
        expected = "three capital letters of ISO 4217 are expected, such as EUR"
        yield written.fault(("currency",), f"currency {project.currency!r}", expected)
    if project.default_locale not in project.locales:
        found = f"default locale {project.default_locale!r} is not among the locales"
        yield written.fault(
            ("default_locale",), found, nearest(project.default_locale, project.locales)
        )
    if not project.purposes:
        yield written.fault(("purposes",), "no purposes", "list what customers may consent to")


def _check_dimension(written: Written[Dimension]) -> Iterator[Fault]:
    terms = written.item.terms
    if not terms:
        yield written.fault((), f"dimension {written.id!r} has no terms", "list its terms")
    for path in terms:
        if not _TERM_PATH.fullmatch(path):
            expected = "lower-case words of a-z, 0-9 and _, levels separated by /"
            yield written.fault(("terms", path), f"term {path!r}", expected)
            continue
        parent = path.rpartition("/")[0]
        if parent and parent not in terms:
            found = f"term {path!r} has no parent"
            yield written.fault(("terms", path), found, f"add the term {parent!r}")


def _check_placement(written: Written[Placement], declarations: Declarations) -> Iterator[Fault]:
    placement = written.item
    yield from _unknown_term(
        written, ("channel",), f"{CHANNEL_DIMENSION}:{placement.channel}", declarations
    )
    if placement.max_count < 1:
        found = f"max_count {placement.max_count}"
        yield written.fault(("max_count",), found, "1 or more is expected")
    if not (isfinite(placement.context_weight) and placement.context_weight > 0):
        found = f"context_weight {placement.context_weight:g}"
        yield written.fault(("context_weight",), found, "a number above 0 is expected")
    if not placement.slots:
        yield written.fault((), f"placement {placement.id!r} has no slots", "list its slots")


def _check_action(written: Written[Action], declarations: Declarations) -> Iterator[Fault]:
    action = written.item
    for index, term in enumerate(action.terms):
        yield from _unknown_term(written, ("terms", index), term, declarations)
    if not action.is_no_action:
        given = {dimension_of(term) for term in action.terms}
        for dimension in declarations.dimensions:
            if dimension.item.required and dimension.id not in given:
                found = f"action {action.id!r} has no term in {dimension.id!r}"
                yield written.fault(("terms",), found, f"add a term {dimension.id}:…")
    yield from _check_purpose(written, declarations.project)
    yield from _check_numbers(written)
    if action.launched_on and not _is_date(action.launched_on):
        found = f"launched_on {action.launched_on!r}"
        yield written.fault(("launched_on",), found, "a date YYYY-MM-DD is expected")


def _check_purpose(
    written: Written[Action], project: Written[ProjectSettings] | None
) -> Iterator[Fault]:
    purpose = written.item.purpose
    if project is not None and purpose not in project.item.purposes:
        expected = nearest(purpose, project.item.purposes)
        yield written.fault(("purpose",), f"purpose {purpose!r} is not known", expected)


def _check_numbers(written: Written[Action]) -> Iterator[Fault]:
    action = written.item
    for key, amount in (("value", action.value), ("cost", action.cost)):
        if not (isfinite(amount) and amount >= 0):
            yield written.fault((key,), f"{key} {amount:g}", "an amount of 0 or more is expected")
    if not 0 < action.base_rate < 1:
        expected = "a probability above 0 and below 1 is expected"
        yield written.fault(("base_rate",), f"base_rate {action.base_rate:g}", expected)
    if not (isfinite(action.priority) and action.priority > 0):
        found = f"priority {action.priority:g}"
        yield written.fault(("priority",), found, "a number above 0 is expected")
    if not isfinite(action.reward_at_horizon):
        found = f"reward_at_horizon {action.reward_at_horizon:g}"
        yield written.fault(("reward_at_horizon",), found, "an amount is expected")
    if action.horizon.total_seconds() <= 0:
        expected = "a duration above 0 is expected, such as 7d"
        yield written.fault(("horizon",), f"horizon {action.horizon}", expected)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_content(written: Written[Content], declarations: Declarations) -> Iterator[Fault]:
    content = written.item
    if declarations.readable:
        yield from _unknown_ids(written, declarations)
    if content.action == NO_ACTION:
        yield written.fault(("action",), "content for no_action", "remove it: it says nothing")
    if not content.placements:
        yield written.fault(("placements",), "content without a placement", "list its placements")
    project = declarations.project
    if project is not None and content.locale not in project.item.locales:
        expected = nearest(content.locale, project.item.locales)
        yield written.fault(("locale",), f"locale {content.locale!r} is not known", expected)
    yield from _check_slots(written, declarations.placements)


def _check_slots(
    written: Written[Content], placements: Iterable[Written[Placement]]
) -> Iterator[Fault]:
    content = written.item
    demanded: dict[str, str] = {}
    for placement in placements:
        if placement.id in content.placements:
            for slot in placement.item.slots:
                demanded.setdefault(slot, placement.id)
    for slot, placement_id in demanded.items():
        if slot not in content.slots:
            found = f"slot {slot!r}, which {placement_id!r} shows, is missing"
            yield written.fault(("slots",), found, "add its text")
        elif not content.slots[slot].strip():
            found = f"slot {slot!r}, which {placement_id!r} shows, is empty"
            yield written.fault(("slots", slot), found, "add its text")


def _unknown_term(
    written: Written[Action] | Written[Placement],
    where: tuple[str | int, ...],
    term: str,
    declarations: Declarations,
) -> Iterator[Fault]:
    if not declarations.knows_all(declarations.dimensions):
        return
    known = [
        f"{dimension.id}:{path}"
        for dimension in declarations.dimensions
        for path in dimension.item.terms
    ]
    if term not in known:
        yield written.fault(where, f"term {term!r} is not in the taxonomy", nearest(term, known))


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
