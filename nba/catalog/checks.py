"""What can be wrong with a catalog, item by item.

:mod:`nba.catalog.coverage` looks across items, :mod:`nba.catalog.content_checks` into contents and
:mod:`nba.catalog.taxonomy_checks` at terms. The order is that of the words: the project, the
taxonomy, placements, actions, contents. A check that would only repeat an earlier fault (a term of
a dimension that could not be read) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from math import isfinite

from nba.catalog.content_checks import check_content, check_groups, check_validity
from nba.catalog.coverage import check_coverage, check_ids
from nba.catalog.declarations import Declarations, ProjectSettings, Written
from nba.catalog.slots import MAX_LENGTH, REFUSED_SCHEMES, SCHEME
from nba.catalog.suggestions import nearest
from nba.catalog.taxonomy_checks import Terms, check_dimension
from nba.domain.catalog import Action, Autonomy, Placement, Slot, ValueFrom
from nba.domain.taxonomy import Carrier
from nba.errors import Fault

CHANNEL_DIMENSION = "channel"
"""Dimension of the taxonomy whose terms are the channels."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_SLOT_NAME = re.compile(r"[a-z][a-z0-9_]*")


def check(declarations: Declarations) -> Iterator[Fault]:
    """Yield every fault of a catalog."""
    terms = Terms.of(declarations)
    yield from _check_project(declarations, declarations.folder)
    yield from check_ids(declarations)
    for dimension in declarations.dimensions:
        yield from check_dimension(dimension)
    for placement in declarations.placements:
        yield from _check_placement(placement, terms)
    for action in declarations.actions:
        yield from _check_action(action, declarations, terms)
    for content in declarations.contents:
        yield from check_content(content, declarations, terms)
    yield from check_groups(declarations)
    yield from check_coverage(declarations, folder=declarations.folder)


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


def _check_placement(written: Written[Placement], terms: Terms) -> Iterator[Fault]:
    placement = written.item
    channel = f"{CHANNEL_DIMENSION}:{placement.channel}"
    yield from terms.unknown(written, ("channel",), channel, former=False)
    yield from terms.check(written, Carrier.PLACEMENT, (*placement.terms, channel))
    if placement.max_count < 1:
        found = f"max_count {placement.max_count}"
        yield written.fault(("max_count",), found, "1 or more is expected")
    if not (isfinite(placement.context_weight) and placement.context_weight > 0):
        found = f"context_weight {placement.context_weight:g}"
        yield written.fault(("context_weight",), found, "a number above 0 is expected")
    for index, effect in enumerate(placement.position_effects):
        yield from _check_effect(written, index, effect)
    yield from _check_branch(written, terms)
    if not placement.slots and not placement.references:
        yield written.fault((), f"placement {placement.id!r} has no slots", "list its slots")
    for name, slot in placement.slots.items():
        yield from _check_slot(written, name, slot)


def _check_effect(written: Written[Placement], index: int, effect: float) -> Iterator[Fault]:
    at, found = ("position_effects", index), f"effect {effect:g} of rank {index + 1}"
    if index == 0 and effect != 1.0:
        yield written.fault(at, found, "1 is expected: the others are relative to the first rank")
    elif not 0.0 < effect <= 1.0:
        yield written.fault(at, found, "a number above 0 and up to 1 is expected")


def _check_branch(written: Written[Placement], terms: Terms) -> Iterator[Fault]:
    placement = written.item
    branch = placement.branch
    if branch is None:
        return
    if placement.autonomy is not Autonomy.ASSISTED:
        found = f"a branch, with autonomy {placement.autonomy.value}"
        yield written.fault(("branch",), found, "only with `autonomy: assisted` there are branches")
    known = terms.taxonomy.dimensions
    if terms.complete and branch.dimension not in known:
        expected = nearest(branch.dimension, known)
        found = f"unknown dimension {branch.dimension!r}"
        yield written.fault(("branch", "dimension"), found, expected)
    if branch.depth < 1:
        yield written.fault(("branch", "depth"), f"depth {branch.depth}", "1 or more is expected")


def _check_slot(written: Written[Placement], name: str, slot: Slot) -> Iterator[Fault]:
    at = ("slots", name)
    if not _SLOT_NAME.fullmatch(name):
        expected = "a word of a-z, 0-9 and _, a letter first"
        yield written.fault(at, f"slot {name!r}", expected)
    if not 0 <= slot.max_length <= MAX_LENGTH:
        found = f"max_length {slot.max_length}"
        yield written.fault((*at, "max_length"), found, f"1 to {MAX_LENGTH}, or 0 for no bound")
    if not slot.schemes:
        yield written.fault((*at, "schemes"), "no schemes", "list those allowed, such as https")
    for index, scheme in enumerate(slot.schemes):
        if scheme in REFUSED_SCHEMES or not SCHEME.fullmatch(scheme):
            yield written.fault(
                (*at, "schemes", index), f"scheme {scheme!r}", "a harmless one, such as https"
            )


def _check_action(
    written: Written[Action], declarations: Declarations, terms: Terms
) -> Iterator[Fault]:
    action = written.item
    if action.is_no_action:
        yield from terms.check(written, None, action.terms)
    else:
        yield from terms.check(written, Carrier.ACTION, action.terms)
    yield from _check_purpose(written, declarations.project)
    yield from _check_numbers(written)
    yield from _check_goals(written)
    yield from _check_value_cap(written)
    yield from check_validity(written)
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


def _check_goals(written: Written[Action]) -> Iterator[Fault]:
    action = written.item
    for kind, goal in action.goals.items():
        at = ("goals", kind)
        if not kind or kind == action.desired_outcome:
            expected = "another kind: what the desired outcome is worth is the action's `value`"
            yield written.fault(at, f"goal {kind!r}", expected)
        if not isfinite(goal.value):
            found = f"value {goal.value:g} of goal {kind!r}"
            yield written.fault((*at, "value"), found, "an amount is expected, below 0 to avoid it")
        if not 0 < goal.base_rate < 1:
            found = f"base_rate {goal.base_rate:g} of goal {kind!r}"
            expected = "a probability above 0 and below 1 is expected"
            yield written.fault((*at, "base_rate"), found, expected)


def _check_value_cap(written: Written[Action]) -> Iterator[Fault]:
    action = written.item
    cap = action.value_cap
    if cap is None:
        if action.value_from is ValueFrom.OUTCOMES:
            expected = "the amount at which a reported one is cut off is expected"
            yield written.fault(("value_from",), "value_from outcomes without value_cap", expected)
    elif action.value_from is ValueFrom.DECLARED:
        found = f"value_cap {cap:g}, and the value is the declared one"
        yield written.fault(("value_cap",), found, "add `value_from: outcomes`, or remove it")
    elif not (isfinite(cap) and cap > 0 and cap >= action.value):
        found = f"value_cap {cap:g}"
        expected = f"an amount above 0 is expected, and the value, {action.value:g}, is within it"
        yield written.fault(("value_cap",), found, expected)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
