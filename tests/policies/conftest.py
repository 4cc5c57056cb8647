"""A small catalog with every message class, and situations to judge it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from nba.domain.catalog import Action, Catalog, Content, Direction, MessageClass, Placement
from nba.domain.history import EMPTY_HISTORY, ContactHistory, pack_history
from nba.domain.ids import NO_ACTION, ActionId, ContentId, PlacementId, Term, hash32
from nba.domain.policy import Policy
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.expressions import Level, Schema, Symbol, ValueType
from nba.policies import Candidates, GuardStack, Situation, compile_guards

NOW_S = 1_750_000_000  # a Sunday, 15:06:40 UTC
_VALUES = {NO_ACTION: 0.0, "card": 50.0, "shirt": 5.0, "survey": 1.0, "notice": 0.0}


def _action(name: str, purpose: str, message_class: MessageClass, *terms: str) -> Action:
    return Action(
        id=ActionId(name),
        name=name,
        purpose=purpose,
        message_class=message_class,
        terms=tuple(Term(term) for term in terms),
        value=_VALUES[name],
    )


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Five actions, three placements, everything shown everywhere."""
    promotional, transactional, mandatory = MessageClass
    actions = (
        Action(id=NO_ACTION, name="Say nothing"),
        _action("card", "credit", promotional, "product:credit/card"),
        _action("shirt", "marketing", promotional, "product:fashion"),
        _action("survey", "service", transactional, "product:service"),
        _action("notice", "legal", mandatory, "product:credit/card"),
    )
    placements = (
        Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND),
        Placement(id=PlacementId("sms.text"), channel="sms", direction=Direction.OUTBOUND),
        Placement(id=PlacementId("web.hero"), channel="web", direction=Direction.INBOUND),
    )
    contents = tuple(
        Content(
            id=ContentId(f"{action.id}.en"),
            action=action.id,
            group=action.id,
            placements=tuple(placement.id for placement in placements),
            locale="en",
        )
        for action in actions[1:]
    )
    terms = ("credit", "credit/card", "fashion", "service", "unused")
    return Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy({"product": Dimension(dict.fromkeys(terms, ""))}),
        actions=actions,
        contents=contents,
        placements=placements,
    )


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Two things known of customers, two of actions."""
    symbols = (
        Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 0),
        Symbol("customer.member", ValueType.BOOL, Level.SITUATION, 1),
        Symbol("action.value", ValueType.NUMBER, Level.CANDIDATE, 0),
        Symbol("action.terms[product:credit]", ValueType.BOOL, Level.CANDIDATE, 1),
    )
    return {symbol.path: symbol for symbol in symbols}


@pytest.fixture(scope="session")
def guard(catalog: Catalog, schema: Schema) -> Callable[..., GuardStack]:
    """Compile policies for a placement of the catalog."""

    def compile_for(*policies: Policy, placement: str = "email.body") -> GuardStack:
        chosen = next(found for found in catalog.placements if found.id == placement)
        columns = [[a.value, float(a.has_term("product:credit"))] for a in catalog.actions]
        candidates = Candidates(chosen, catalog.actions, np.array(columns))
        return compile_guards(policies, candidates, schema, catalog=catalog)

    return compile_for


@pytest.fixture(scope="session")
def moment() -> Callable[..., Situation]:
    """Make a situation of which nothing is known but what is given."""

    def situation(
        *,
        age: float = np.nan,
        member: float = np.nan,
        contacts: Iterable[tuple[int, str, str]] = (),
        complete_since_s: int = 0,
        **given: Any,
    ) -> Situation:
        past = history(list(contacts), complete_since_s)
        return Situation(
            customer_id=given.get("customer_id", "c1"),
            at_ms=given.get("at_ms", NOW_S * 1_000),
            symbols=np.array([age, member]),
            consents=given.get("consents", {}),
            time_zone=given.get("time_zone"),
            history=past,
            answer_from=given.get("answer_from", len(past)),
            shared=given.get("shared", {}),
        )

    return situation


def history(contacts: Sequence[tuple[int, str, str]], complete_since_s: int) -> ContactHistory:
    """Pack contacts ``(seconds ago, action, placement)``."""
    if not contacts and not complete_since_s:
        return EMPTY_HISTORY
    ordered = sorted(contacts, reverse=True)
    packed = [(NOW_S - ago, hash32(action), hash32(place)) for ago, action, place in ordered]
    return pack_history(packed, complete_since_s=complete_since_s)


@pytest.fixture(scope="session")
def left() -> Callable[[GuardStack, Situation], dict[str, str]]:
    """Return the reason code for every candidate dropped; what is kept is absent."""

    def codes(stack: GuardStack, situation: Situation) -> dict[str, str]:
        names = [NO_ACTION, "card", "shirt", "survey", "notice"]
        return {
            name: stack.reason(drops[0]).code
            for name, drops in zip(names, stack.explain(situation), strict=True)
            if drops
        }

    return codes
