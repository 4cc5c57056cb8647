"""Every check: what it must find, what it must leave alone, and that none is without both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from shop import NOW_MS

from nba.control.lint import CHECKS, Finding, Severity, lint
from nba.decision.artifact import PlanSource
from nba.domain.catalog import Action, Content, MessageClass, Placement, StaleContent
from nba.domain.ids import ActionId, ContentId, PlacementId, PolicyId
from nba.domain.policy import Missing, Policy, Selector
from nba.policies.kinds import (
    Applicability,
    ContactCap,
    Eligibility,
    Exploration,
    Holdout,
    Lever,
    Suitability,
)
from nba.policies.kinds.exclusion import Exclusion
from nba.policies.kinds.sequence import SequencePolicy
from nba.policies.kinds.suppression import Suppression

LOCALES = ("en", "de")
PAST, FUTURE, LATER = "2025-01-01", "2026-01-01", "2027-01-01"
CARD, COAT, SHIRT = (Selector(actions=(name,)) for name in ("card", "coat", "shirt"))
FASHION = Selector(terms=("product:fashion",))
PROMOTIONS = Selector(message_classes=("promotional",))
DAY, WEEK = timedelta(days=1), timedelta(days=7)

Change = Callable[[PlanSource], PlanSource]


class Case(NamedTuple):
    """A change that must be found with a place, and one close to it that must not be found."""

    bad: Change
    place: str
    good: Change


def make(kind: Any, name: str, selector: Selector | None = None, **fields: Any) -> Any:
    return kind(id=PolicyId(name), description="d", applies_to=selector or Selector(), **fields)


def policies(*more: Policy) -> Change:
    return lambda source: replace(source, policies=(*source.policies, *more))


def without(*names: str) -> Change:
    return lambda source: replace(
        source, policies=tuple(policy for policy in source.policies if policy.id not in names)
    )


def contents(change: Callable[[Content], Content | None]) -> Change:
    def apply(source: PlanSource) -> PlanSource:
        kept = tuple(filter(None, map(change, source.catalog.contents)))
        return replace(source, catalog=replace(source.catalog, contents=kept))

    return apply


def actions(change: Callable[[Action], Action]) -> Change:
    def apply(source: PlanSource) -> PlanSource:
        changed = tuple(map(change, source.catalog.actions))
        return replace(source, catalog=replace(source.catalog, actions=changed))

    return apply


def looked_at(*effects: float) -> Change:
    """Return a change of the effects of ``web.hero`` and ``web.rules``, which learns nothing."""

    def apply(source: PlanSource) -> PlanSource:
        changed = tuple(
            replace(one, position_effects=effects) if one.channel == "web" else one
            for one in source.catalog.placements
        )
        return replace(source, catalog=replace(source.catalog, placements=changed))

    return apply


def both(*changes: Change) -> Change:
    def apply(source: PlanSource) -> PlanSource:
        for change in changes:
            source = change(source)
        return source

    return apply


def desk_only(content: Content) -> Content:
    return replace(content, placements=tuple(p for p in content.placements if p == "desk.screen"))


def minors(selector: Selector, **fields: Any) -> Applicability:
    return make(Applicability, "minors", selector, condition="customer.age < 18", **fields)


def pays(amounts: dict[str, float]) -> Change:
    return actions(lambda a: replace(a, value=amounts.get(a.id, a.value)))


def cap(name: str, selector: Selector, limit: int, window: Any, **fields: Any) -> ContactCap:
    return make(ContactCap, name, selector, limit=limit, window=window, **fields)


def after(name: str, selector: Selector, first: Selector, **fields: Any) -> SequencePolicy:
    return make(SequencePolicy, name, selector, after=first, within=WEEK, **fields)


def master(content: Content) -> Content:
    if content.id == "card.en":
        return replace(content, master=True)
    return replace(content, confirmed_against="x") if content.id == "card.de" else content


def confirmed(source: PlanSource) -> PlanSource:
    master_said = next(c.fingerprint for c in source.catalog.contents if c.id == "card.en")
    changed = contents(
        lambda c: replace(c, confirmed_against=master_said) if c.id == "card.de" else c
    )
    return changed(source)


CASES: dict[str, Case] = {
    "action.never_shown": Case(
        contents(lambda c: replace(c, ends=PAST) if c.action == "coat" else c),
        "action/coat/id",
        contents(lambda c: replace(c, ends=FUTURE) if c.action == "coat" else c),
    ),
    "action.always_closed": Case(
        policies(minors(CARD)),
        "action/card/id",
        policies(minors(CARD, ends=FUTURE)),
    ),
    "rule.never_met": Case(
        policies(make(Suitability, "odd", COAT, condition="customer.age > 9 && customer.age < 3")),
        "policy/odd/condition",
        policies(make(Suitability, "odd", COAT, condition="customer.age > 9 || customer.age < 3")),
    ),
    "rules.contradictory": Case(
        policies(minors(CARD)),
        "policy/adults/condition",
        policies(minors(FASHION)),
    ),
    "placement.without_content": Case(
        contents(
            lambda c: replace(c, placements=tuple(p for p in c.placements if p != "web.hero"))
        ),
        "placement/web.hero/id",
        contents(lambda c: c),
    ),
    "placement.nothing_left": Case(
        policies(make(Eligibility, "off", Selector(placements=("web.hero",)), condition="false")),
        "placement/web.hero/id",
        policies(make(Eligibility, "off", Selector(placements=("web.hero",)), condition="true")),
    ),
    "content.default_locale_missing": Case(
        contents(lambda c: None if c.id == "card.en" else c),
        "action/card/contents",
        contents(lambda c: None if c.id == "shirt.en.a" else c),
    ),
    "content.locale_missing": Case(
        contents(lambda c: None if c.id == "card.de" else c),
        "action/card/contents",
        contents(lambda c: None if c.id == "coat.at" else c),
    ),
    "content.stale": Case(
        contents(master), "content/card.de/confirmed_against", both(contents(master), confirmed)
    ),
    "dates.reversed": Case(
        policies(make(Lever, "l", COAT, weight=2.0, starts=LATER, ends=FUTURE)),
        "policy/l/ends",
        policies(make(Lever, "l", COAT, weight=2.0, starts=FUTURE, ends=LATER)),
    ),
    "dates.ended": Case(
        actions(lambda a: replace(a, ends=PAST) if a.id == "coat" else a),
        "action/coat/ends",
        actions(lambda a: replace(a, ends=FUTURE) if a.id == "coat" else a),
    ),
    "dates.starts_later": Case(
        contents(lambda c: replace(c, starts=FUTURE) if c.id == "coat.de" else c),
        "content/coat.de/starts",
        contents(lambda c: replace(c, starts=PAST) if c.id == "coat.de" else c),
    ),
    "policies.doubled": Case(
        policies(
            make(
                Eligibility,
                "again",
                Selector(terms=("product:credit",)),
                condition="customer.age >= 18",
            )
        ),
        "policy/again/applies_to",
        policies(
            make(
                Eligibility,
                "again",
                Selector(terms=("product:credit",)),
                condition="customer.age >= 21",
            )
        ),
    ),
    "policies.overlap": Case(
        policies(
            make(Holdout, "h1", COAT, share=0.1, salt="a", ends=LATER),
            make(Holdout, "h2", COAT, share=0.2, salt="b", starts=FUTURE),
        ),
        "policy/h2/applies_to",
        policies(
            make(Holdout, "h1", COAT, share=0.1, salt="a", ends=FUTURE),
            make(Holdout, "h2", COAT, share=0.2, salt="b", starts=FUTURE),
        ),
    ),
    "levers.beyond_bounds": Case(
        policies(make(Lever, "l", CARD, weight=6.0)),
        "policy/l/weight",
        policies(make(Lever, "l", CARD, weight=5.0)),
    ),
    "cap.redundant": Case(
        policies(cap("three", COAT, 3, DAY)),
        "policy/three/limit",
        policies(cap("one", COAT, 1, DAY)),
    ),
    "cap.never_binds": Case(
        policies(cap("many", COAT, 15, WEEK)),
        "policy/many/limit",
        policies(cap("many", COAT, 14, WEEK)),
    ),
    "cap.beyond_history": Case(
        policies(cap("lots", Selector(message_classes=("transactional",)), 1_001, WEEK)),
        "policy/lots/limit",
        policies(cap("lots", Selector(message_classes=("transactional",)), 1_000, WEEK)),
    ),
    "policy.longer_than_history": Case(
        policies(cap("week", COAT, 2, WEEK)),
        "policy/week/window",
        policies(cap("hour", COAT, 1, timedelta(hours=1))),
    ),
    "sequence.cyclic": Case(
        policies(after("coat_first", SHIRT, COAT), after("shirt_first", COAT, SHIRT)),
        "policy/coat_first/after",
        policies(after("coat_first", SHIRT, COAT), after("card_first", COAT, CARD)),
    ),
    "sequence.never_comes": Case(
        both(
            policies(after("coat_first", SHIRT, COAT)),
            contents(lambda c: None if c.action == "coat" else c),
        ),
        "policy/coat_first/after",
        policies(after("coat_first", SHIRT, COAT)),
    ),
    "sequence.excluded": Case(
        policies(after("coat_first", SHIRT, COAT), make(Exclusion, "one", FASHION, window=WEEK)),
        "policy/coat_first/within",
        policies(after("coat_first", SHIRT, COAT), make(Exclusion, "one", FASHION, window=DAY)),
    ),
    "action.monopoly": Case(
        pays({"coat": 1_000.0}),
        "action/coat/value",
        both(pays({"coat": 1_000.0}), policies(make(Exploration, "share", COAT, max_share=0.5))),
    ),
    "consent.unchecked": Case(
        without("consent_to_service"), "action/parcel/purpose", without("left_alone")
    ),
    "quiet_hours.missing": Case(
        without("night"), "placement/email.body/channel", without("left_alone")
    ),
    "policy.undeclared_event": Case(
        policies(make(Suppression, "s", COAT, events=("Refund",), pause=DAY)),
        "policy/s/events",
        policies(make(Suppression, "s", COAT, events=("Order",), pause=DAY)),
    ),
    "policy.unknown_outcome": Case(
        policies(make(Suppression, "s", COAT, outcomes=("shrug",), pause=DAY)),
        "policy/s/outcomes",
        policies(make(Suppression, "s", COAT, outcomes=("complain",), pause=DAY)),
    ),
    "placement.effects_changed": Case(
        looked_at(1.0, 0.5), "placement/web.hero/position_effects", looked_at(1.0, 1.0)
    ),
}


def found(base: PlanSource, source: PlanSource) -> list[Finding]:
    return lint(base, source, at_ms=NOW_MS, locales=LOCALES)


def test_every_code_has_a_case() -> None:
    codes = [code.code for check in CHECKS for code in check.codes]
    assert sorted(CASES) == sorted(codes)


def test_nothing_is_found_where_there_is_nothing_to_find(base: PlanSource) -> None:
    assert found(base, base) == []
    assert lint(None, base, at_ms=NOW_MS, locales=LOCALES) == []


@pytest.mark.parametrize("code", sorted(CASES))
def test_what_surprises_is_found_at_its_place(base: PlanSource, code: str) -> None:
    findings = [one for one in found(base, CASES[code].bad(base)) if one.code == code]
    assert CASES[code].place in [one.place for one in findings]
    declared = {one.code: one for check in CHECKS for one in check.codes}
    for one in findings:
        kind, identifier, field = one.place.split("/")
        assert kind in ("action", "content", "placement", "policy")
        assert identifier
        assert field
        assert one.severity is declared[code].severity
        assert one.sentence
        assert one.fix


@pytest.mark.parametrize("code", sorted(CASES))
def test_what_is_close_to_it_is_left_alone(base: PlanSource, code: str) -> None:
    assert code not in [one.code for one in found(base, CASES[code].good(base))]


def test_errors_come_first_and_the_order_is_always_the_same(base: PlanSource) -> None:
    source = both(
        without("night"),
        policies(make(Suppression, "s", COAT, events=("Refund",), pause=DAY)),
    )(base)
    findings = found(base, source)
    assert [one.severity for one in findings] == [Severity.ERROR, *[Severity.WARNING] * 1]
    assert findings == found(base, source)


def test_conditions_are_judged_with_the_values_of_each_action(base: PlanSource) -> None:
    dear = make(Eligibility, "dear", PROMOTIONS, condition="action.value > 10")
    findings = [one for one in found(base, policies(dear)(base)) if one.code == "rule.never_met"]
    assert [one.place for one in findings] == ["policy/dear/condition"]
    assert "closes shirt in" in findings[0].sentence


def test_a_rule_that_lets_the_unknown_pass_does_not_close_for_everybody(base: PlanSource) -> None:
    open_adults = lambda source: replace(  # noqa: E731
        source,
        policies=tuple(
            replace(policy, missing=Missing.OPEN) if policy.id == "adults" else policy
            for policy in source.policies
        ),
    )
    changed = both(open_adults, policies(minors(CARD, missing=Missing.OPEN)))(base)
    assert [one.code for one in found(base, changed)] == []


def test_a_withheld_content_is_as_none(base: PlanSource) -> None:
    def withhold(source: PlanSource) -> PlanSource:
        catalog = replace(source.catalog, stale_content=StaleContent.WITHHOLD)
        return replace(source, catalog=catalog)

    codes = [one.code for one in found(base, both(contents(master), withhold)(base))]
    assert codes == ["content.locale_missing", "content.stale"]


def test_a_cap_over_mandatory_messages_does_not_bound_a_longer_one(base: PlanSource) -> None:
    legal = actions(
        lambda a: replace(a, message_class=MessageClass.MANDATORY) if a.id == "coat" else a
    )
    few, many = cap("few", FASHION, 2, DAY), cap("many", FASHION, 15, WEEK)
    codes = [one.code for one in found(base, both(legal, policies(few, many))(base))]
    assert "cap.never_binds" not in codes


def test_two_thousand_actions_under_five_hundred_policies_are_looked_over(
    base: PlanSource,
) -> None:
    n_actions, n_policies = 2_000, 500
    places = tuple(placement.id for placement in base.catalog.placements)
    more = tuple(
        replace(base.catalog.actions[1 + n % 4], id=ActionId(f"a{n}"), value=5.0 + n % 7)
        for n in range(n_actions)
    )
    shown = tuple(
        Content(
            id=ContentId(f"a{n}.{locale}"),
            action=ActionId(f"a{n}"),
            group=f"a{n}",
            placements=tuple(PlacementId(place) for place in places),
            locale=locale,
        )
        for n in range(n_actions)
        for locale in LOCALES
    )
    rules = tuple(
        make(
            Applicability,
            f"p{n}",
            Selector(actions=tuple(f"a{m}" for m in range(n, n_actions, 97 + n))),
            condition=f"customer.age > {n % 60} && action.value > {n % 3} || customer.age > 90",
        )
        for n in range(n_policies)
    )
    catalog = replace(
        base.catalog,
        actions=(*base.catalog.actions, *more),
        contents=(*base.catalog.contents, *shown),
    )
    source = replace(base, catalog=catalog, policies=(*base.policies, *rules))
    assert found(base, source) == []


def test_placements_are_those_of_the_catalog(base: PlanSource) -> None:
    extra = Placement(
        id=PlacementId("web.foot"), channel="web", direction=base.catalog.placements[1].direction
    )
    catalog = replace(base.catalog, placements=(*base.catalog.placements, extra))
    findings = found(base, replace(base, catalog=catalog))
    assert [(one.code, one.place) for one in findings] == [
        ("placement.without_content", "placement/web.foot/id")
    ]


def test_which_ranks_have_other_effects_is_said_of_placements_that_learn(base: PlanSource) -> None:
    (one,) = found(base, looked_at(1.0, 0.5)(base))
    assert "of web.hero change at ranks 2 (1 ▸ 0.5) and 3 (1 ▸ 0.5)" in one.sentence
    assert "nba bandit rebuild" in one.fix
    before = looked_at(1.0, 0.5, 0.2)(base)
    (one,) = found(before, looked_at(1.0, 0.5)(base))
    assert "change at rank 3 (0.2 ▸ 0.5)" in one.sentence
    assert found(before, before) == []
