"""``audience``: segments and uploaded lists, in and not in, and what missing data means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from nba.domain.audience import membership_code
from nba.domain.catalog import Catalog
from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.expressions import Level, Schema, Symbol, ValueType
from nba.policies import Candidates, GuardStack, Situation, compile_guards
from nba.policies.kinds import AudiencePolicy

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

NAN = float("nan")
CONCERNED = ["card", "shirt", "survey"]


def _audience(*in_: str, not_in: tuple[str, ...] = (), **more: Missing) -> AudiencePolicy:
    return AudiencePolicy(id=PolicyId("p"), description="d", in_=in_, not_in=not_in, **more)


@pytest.fixture(scope="module")
def stack(catalog: Catalog) -> Callable[..., GuardStack]:
    """Compile policies against two segments and three lists."""
    names = ("lapsing", "upset")
    schema: Schema = {
        f"segment.{name}": Symbol(f"segment.{name}", ValueType.BOOL, Level.SITUATION, column)
        for column, name in enumerate(names)
    }
    lists = Dimension({"members": "", "members/gold": "", "blocked": ""}, renamed={"no": "blocked"})
    listed = replace(catalog, taxonomy=Taxonomy({**catalog.taxonomy.dimensions, "audience": lists}))

    def compiled(*policies: AudiencePolicy) -> GuardStack:
        candidates = Candidates(
            catalog.placements[0], catalog.actions, np.zeros((len(catalog.actions), 0))
        )
        return compile_guards(policies, candidates, schema, catalog=listed)

    return compiled


def _on(*names: str) -> dict[int, bool]:
    return {membership_code(name): True for name in names}


def test_only_who_is_on_a_list_is_told(
    stack: Callable[..., GuardStack], moment: Moment, left: Left
) -> None:
    guards = stack(_audience("members/gold"))
    assert left(guards, moment(consents=_on("members/gold"))) == {}
    outside = dict.fromkeys(CONCERNED, "audience.outside")
    assert left(guards, moment(consents=_on("members", "blocked"))) == outside
    assert left(guards, moment()) == outside


def test_a_list_covers_those_below_it_and_its_former_name(
    stack: Callable[..., GuardStack], moment: Moment, left: Left
) -> None:
    assert left(stack(_audience("members")), moment(consents=_on("members/gold"))) == {}
    excluded = stack(_audience(not_in=("blocked",)))
    assert set(left(excluded, moment(consents=_on("no"))).values()) == {"audience.excluded"}


def test_who_is_not_on_a_list_is_off_it(
    stack: Callable[..., GuardStack], moment: Moment, left: Left
) -> None:
    guards = stack(_audience(not_in=("blocked",)))
    assert left(guards, moment()) == {}
    assert set(left(guards, moment(consents=_on("blocked"))).values()) == {"audience.excluded"}


def _expected(policy: AudiencePolicy, lapsing: float, upset: float, *, gold: bool) -> str | None:
    """Return the cause in three-valued logic, read word by word."""
    known = {"lapsing": lapsing, "upset": upset, "members": float(gold)}

    def is_in(names: tuple[str, ...]) -> bool | None:
        values = [known[name] for name in names]
        if 1.0 in values:
            return True
        return None if any(np.isnan(value) for value in values) else False

    inside = is_in(policy.in_) if policy.in_ else True
    excluded = is_in(policy.not_in)
    if excluded is True:
        return "audience.excluded"
    if inside is False:
        return "audience.outside"
    if (inside is None or excluded is None) and policy.missing is Missing.CLOSED:
        return "audience.unknown"
    return None


@pytest.mark.parametrize(
    "policy",
    [
        _audience("lapsing"),
        _audience("lapsing", missing=Missing.OPEN),
        _audience("lapsing", "upset"),
        _audience("lapsing", "members"),
        _audience(not_in=("upset",)),
        _audience(not_in=("upset", "members"), missing=Missing.OPEN),
        _audience("lapsing", not_in=("upset",)),
        _audience("members", not_in=("upset",)),
    ],
)
def test_segments_and_lists_as_three_valued_logic_has_them(
    stack: Callable[..., GuardStack], moment: Moment, left: Left, policy: AudiencePolicy
) -> None:
    guards = stack(policy)
    for lapsing, upset, gold in product((0.0, 1.0, NAN), (0.0, 1.0, NAN), (False, True)):
        consents = _on("members/gold") if gold else {}
        situation = replace(moment(consents=consents), symbols=np.array([lapsing, upset]))
        cause = _expected(policy, lapsing, upset, gold=gold)
        assert left(guards, situation) == (dict.fromkeys(CONCERNED, cause) if cause else {})


def test_selector_limits_what_it_is_about(
    stack: Callable[..., GuardStack], moment: Moment, left: Left
) -> None:
    guards = stack(replace(_audience("members"), applies_to=Selector(actions=("card",))))
    assert left(guards, moment()) == {"card": "audience.outside"}


def test_the_sentence_names_the_audiences() -> None:
    policy = _audience("members", "lapsing", not_in=("blocked",))
    assert policy.reason(0).sentence == (
        "d (for members, lapsing, not for blocked; "
        "the customer is in none of the audiences it is for)"
    )


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (_audience("a"), []),
        (_audience(not_in=("a",)), []),
        (_audience(), ["in"]),
        (_audience("a", "b", not_in=("b",)), ["not_in"]),
    ],
)
def test_bounds(policy: AudiencePolicy, fields: list[str]) -> None:
    assert [problem.field for problem in policy.problems()] == fields
