"""Check policies against the catalog and the schema before anything of them is live."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import fsum, inf

from nba.domain.catalog import Catalog, Direction, MessageClass
from nba.domain.ids import MAX_ID_LENGTH, NO_ACTION
from nba.domain.policy import Missing
from nba.domain.taxonomy import Carrier
from nba.domain.validity import bounds_ms, validity_faults
from nba.errors import Fault
from nba.expressions import ExpressionError, Schema, parse
from nba.policies.audiences import audience_fault
from nba.policies.condition import ConditionPolicy
from nba.policies.contents import with_contents
from nba.policies.history_checks import history_faults
from nba.policies.kinds import (
    AudiencePolicy,
    Budget,
    ConsentPolicy,
    Exploration,
    Fairness,
    Holdout,
)
from nba.policies.loader import LocatedPolicy, PolicySet
from nba.policies.order import SHAPERS, concerns
from nba.policies.selection import select_actions, select_placements
from nba.policies.sequences import sequence_faults
from nba.policies.suggestions import nearest

_ROUNDING = 1e-9
_SELECTOR_KEYS = {
    "actions": "action",
    "terms": "term",
    "channels": "channel",
    "placements": "placement",
    "directions": "direction",
    "message_classes": "message class",
    "contents": "content",
    "groups": "content group",
    "except_actions": "action",
    "except_terms": "term",
}


def check_policies(
    policies: PolicySet, *, catalog: Catalog, schema: Schema, faults: list[Fault]
) -> None:
    """Add a fault, with file and line, for everything wrong.

    Repeated ids, values out of bounds, terms of its own that are unknown or lacking, unknown
    actions, terms, channels, placements and purposes, conditions that do not fit ``schema``, and
    selectors that select nothing the kind concerns.
    """
    known = _known_words(catalog)
    wider = with_contents(schema, catalog.contents)
    first: dict[str, str] = {}
    for located in policies:
        policy_id = located.policy.id
        if policy_id in first:
            found = f"policy {policy_id!r} is there twice"
            faults.append(Fault(located.place("id"), found, f"first at {first[policy_id]}"))
        first.setdefault(policy_id, located.place("id"))
        if not 1 <= len(policy_id) <= MAX_ID_LENGTH:
            found = f"an id of {len(policy_id)} characters"
            faults.append(Fault(located.place("id"), found, f"1 to {MAX_ID_LENGTH} are expected"))
        faults.extend(
            Fault(located.place(problem.field), problem.found, problem.expected)
            for problem in located.policy.problems()
        )
        faults.extend(
            Fault(located.place(field), found, expected)
            for field, found, expected in validity_faults(
                located.policy.starts, located.policy.ends
            )
        )
        unknown = list(_unknown_words(located, known))
        faults.extend(unknown or _empty_selection(located, catalog))
        faults.extend(_terms(located, catalog))
        faults.extend(history_faults(located, catalog))
        faults.extend(_condition(located, wider))
        faults.extend(_groups(located, schema))
        faults.extend(_free_budget(located, catalog))
        faults.extend(_shaped_contents(located))
        faults.extend(_audiences(located, catalog, schema))
        faults.extend(_open_consent(located, catalog))
    faults.extend(_floors(policies, catalog))
    faults.extend(sequence_faults(policies, catalog))


def _known_words(catalog: Catalog) -> Mapping[str, Collection[str]]:
    return {
        "action": {action.id for action in catalog.actions} - {NO_ACTION},
        "term": set(catalog.taxonomy.terms()),
        "channel": {placement.channel for placement in catalog.placements},
        "placement": {placement.id for placement in catalog.placements},
        "direction": list(Direction),
        "message class": list(MessageClass),
        "content": {content.id for content in catalog.contents},
        "content group": {content.group for content in catalog.contents},
        "purpose": {action.purpose for action in catalog.actions},
    }


def _unknown_words(located: LocatedPolicy, known: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    for field, selector in located.policy.selectors().items():
        for key, what in _SELECTOR_KEYS.items():
            for position, word in enumerate(getattr(selector, key)):
                if word not in known[what]:
                    written = "except" if key.startswith("except") else field
                    place = located.place(field, key, position)
                    found = f"{written}: unknown {what} {word!r}"
                    yield Fault(place, found, nearest(word, known[what]))
    if isinstance(located.policy, ConsentPolicy):
        for position, purpose in enumerate(located.policy.purposes):
            if purpose not in known["purpose"]:
                place = located.place("purposes", position)
                found = f"no action has the purpose {purpose!r}"
                yield Fault(place, found, nearest(purpose, known["purpose"]))


def _terms(located: LocatedPolicy, catalog: Catalog) -> Iterator[Fault]:
    """Yield terms that are unknown, and dimensions that demand one of policies."""
    policy, taxonomy = located.policy, catalog.taxonomy
    for position, term in enumerate(policy.terms):
        if taxonomy.resolve(term) is None:
            found = f"term {term!r} is not in the taxonomy"
            yield Fault(located.place("terms", position), found, nearest(term, taxonomy.terms()))
    for dimension in taxonomy.lacking(Carrier.POLICY, policy.terms):
        found = f"policy {policy.id!r} has no term in {dimension!r}"
        yield Fault(located.place("terms"), found, f"add a term {dimension}:…")


def _empty_selection(located: LocatedPolicy, catalog: Catalog) -> Iterator[Fault]:
    policy = located.policy
    place = located.place("applies_to")
    actions = [
        action
        for action, chosen in zip(
            catalog.actions, select_actions(policy.applies_to, catalog.actions), strict=True
        )
        if chosen
    ]
    if not actions or not select_placements(policy.applies_to, catalog.placements).any():
        yield Fault(place, "the selector selects nothing", "widen it, or remove the policy")
    elif not any(concerns(policy.kind, policy.applies_to, action) for action in actions):
        classes = sorted({action.message_class.value for action in actions})
        found = f"everything selected is {' or '.join(classes)}, which no {policy.kind} concerns"
        yield Fault(place, found, "name the actions or their message class, or remove the policy")
    for field, selector in policy.selectors().items():
        if field == "applies_to":
            continue
        actions_selected = select_actions(selector, catalog.actions).any()
        if not actions_selected or not select_placements(selector, catalog.placements).any():
            yield Fault(located.place(field), "the selector selects nothing", "widen it")


def _shaped_contents(located: LocatedPolicy) -> Iterator[Fault]:
    """Refuse to weigh contents: they take turns or are drawn evenly."""
    policy = located.policy
    if policy.kind in SHAPERS and policy.is_about_contents:
        found = f"a {policy.kind} that selects contents"
        yield Fault(located.place("applies_to"), found, "select actions; see the kind rotation")


def _condition(located: LocatedPolicy, schema: Schema) -> Iterator[Fault]:
    if not isinstance(located.policy, ConditionPolicy):
        return
    try:
        parse(located.policy.condition, schema)
    except ExpressionError as error:
        where = f"condition, line {error.line}, column {error.column}"
        yield Fault(located.place("condition"), f"{where}: {error.found}", error.expected)


def _audiences(located: LocatedPolicy, catalog: Catalog, schema: Schema) -> Iterator[Fault]:
    """Yield the names of audiences that are neither a segment nor a list."""
    policy = located.policy
    named: Mapping[tuple[str, ...], Collection[str]] = {}
    if isinstance(policy, AudiencePolicy):
        named = {("in",): policy.in_, ("not_in",): policy.not_in}
    elif isinstance(policy, Holdout):
        named = {("exempt", "audiences"): policy.exempt.audiences}
    for field, names in named.items():
        for position, name in enumerate(names):
            wrong = audience_fault(name, catalog, schema)
            if wrong is not None:
                yield Fault(located.place(*field, position), *wrong)


def _open_consent(located: LocatedPolicy, catalog: Catalog) -> Iterator[Fault]:
    """Refuse to sell to who never agreed: that silence is consent can be said of service alone."""
    policy = located.policy
    if not isinstance(policy, ConsentPolicy) or policy.missing is not Missing.OPEN:
        return
    mask = select_actions(policy.applies_to, catalog.actions)
    promotions = [
        action.id
        for action, selected in zip(catalog.actions, mask, strict=True)
        if selected
        and action.message_class is MessageClass.PROMOTIONAL
        and (not policy.purposes or action.purpose in policy.purposes)
    ]
    if promotions:
        found = f"missing: open, for promotions such as {promotions[0]!r}"
        yield Fault(located.place("missing"), found, "closed, or select message_classes")


def _groups(located: LocatedPolicy, schema: Schema) -> Iterator[Fault]:
    if not isinstance(located.policy, Fairness):
        return
    try:
        located.policy.grouping(schema)
    except ExpressionError as error:
        yield Fault(located.place("by"), error.found, error.expected)


def _free_budget(located: LocatedPolicy, catalog: Catalog) -> Iterator[Fault]:
    """Refuse a budget that nothing ever takes anything of."""
    policy = located.policy
    if not isinstance(policy, Budget):
        return
    actions = [
        a
        for a in catalog.actions
        if any(policy.applies_to.matches(a, p) for p in catalog.placements)
    ]
    if actions and not any(policy.units_of(action) for action in actions):
        found = f"everything selected has a {policy.amount.value} of 0"
        yield Fault(located.place("unit"), found, f"give actions a {policy.amount.value}")


def _floors(policies: PolicySet, catalog: Catalog) -> Iterator[Fault]:
    """Refuse floors that cannot all be kept in a placement, should every candidate be left."""
    bounded = [
        (located, located.policy)
        for located in policies
        if isinstance(located.policy, Exploration)
        and not list(located.policy.problems())
        and not validity_faults(located.policy.starts, located.policy.ends)
    ]
    bounds = [bounds_ms(policy.starts, policy.ends) for _, policy in bounded]
    # Floors add up over time only where they hold at once: whenever one begins, or before all.
    moments = {-inf, *(starts for starts, _ in bounds if starts is not None)}
    for placement in catalog.placements:
        shown = {item.action for item in catalog.contents if placement.id in item.placements}
        actions = [action for action in catalog.actions if action.id in shown]
        highest = 0.0
        for at in moments:
            floors: dict[str, float] = {}
            for (_, policy), (starts, ends) in zip(bounded, bounds, strict=True):
                begins, stops = -inf if starts is None else starts, inf if ends is None else ends
                if not begins <= at < stops:
                    continue
                selector = policy.applies_to
                for action in actions:
                    if selector.matches(action, placement) and concerns(
                        policy.kind, selector, action
                    ):
                        floors[action.id] = max(floors.get(action.id, 0.0), policy.floor)
            highest = max(highest, fsum(floors.values()))
        if highest > 1.0 + _ROUNDING:
            found = f"exploration floors in {placement.id} sum to {highest:.2f}"
            yield Fault(bounded[0][0].place("floor"), found, "they may sum to at most 1")
