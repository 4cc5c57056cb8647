"""``fairness``: closed for who is blocked, and for who may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from nba.domain.ids import PolicyId, hash32
from nba.domain.policy import Missing, Selector
from nba.expressions import ExpressionError, Level, Schema, Symbol, ValueType
from nba.policies import GuardStack, Situation
from nba.policies.kinds import Fairness
from nba.policies.kinds.fairness import OnBreach, groups_of

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

BLOCKS = Fairness(
    id=PolicyId("p"), description="d", by="member", max_ratio=1.25, on_breach=OnBreach.BLOCK
)
CODE = hash32("p")


def all_of(code: str) -> dict[str, str]:
    """Return what is dropped where all promotions are."""
    return dict.fromkeys(["card", "shirt"], code)


def test_closes_for_customers_of_a_blocked_group(guard: Guard, moment: Moment, left: Left) -> None:
    stack = guard(BLOCKS)
    members = {CODE: (hash32("true"),)}
    assert left(stack, moment(member=1.0, shared=members)) == all_of("fairness.blocked")
    assert left(stack, moment(member=0.0, shared=members)) == {}
    assert left(stack, moment(member=1.0, shared={CODE: ()})) == {}


def test_whose_group_is_unknown_is_left_alone_while_one_is_blocked(
    guard: Guard, moment: Moment, left: Left
) -> None:
    members = {CODE: (hash32("true"),)}
    assert left(guard(BLOCKS), moment(shared=members)) == all_of("fairness.group_unknown")
    assert left(guard(BLOCKS), moment(shared={CODE: ()})) == {}
    lenient = replace(BLOCKS, missing=Missing.OPEN)
    assert left(guard(lenient), moment(shared=members)) == {}


def test_closes_where_it_is_not_known_who_is_blocked(
    guard: Guard, moment: Moment, left: Left
) -> None:
    assert left(guard(BLOCKS), moment(member=0.0)) == all_of("fairness.unknown")


def test_one_that_only_alerts_closes_nothing(guard: Guard, moment: Moment, left: Left) -> None:
    alerts = replace(BLOCKS, on_breach=OnBreach.ALERT)
    assert left(guard(alerts), moment(member=1.0, shared={CODE: (hash32("true"),)})) == {}
    assert left(guard(alerts), moment()) == {}


def test_groups_come_from_enumerations_and_yes_or_no(schema: Schema) -> None:
    assert groups_of(schema["customer.member"]) == ("false", "true")
    assert groups_of(schema["customer.age"]) == ()
    tier = Symbol("customer.tier", ValueType.STRING, Level.SITUATION, 2, ("none", "gold"))
    assert groups_of(tier) == ("none", "gold")
    assert groups_of(replace(tier, level=Level.CANDIDATE)) == ()
    assert replace(BLOCKS, by="customer.tier").grouping({"customer.tier": tier}) == tier


@pytest.mark.parametrize("by", ["age", "gender", ""])
def test_what_makes_no_groups_is_refused(schema: Schema, by: str) -> None:
    with pytest.raises(ExpressionError, match=r"no groups by .*one of customer\.member"):
        replace(BLOCKS, by=by).grouping(schema)


def test_a_rate_is_compared_with_that_of_everybody() -> None:
    assert BLOCKS.is_above(0.26, 0.2)
    assert not BLOCKS.is_above(0.25, 0.2)
    assert BLOCKS.is_below(0.15, 0.2)
    assert not BLOCKS.is_below(0.16, 0.2)
    by_difference = replace(BLOCKS, max_ratio=None, max_difference=0.05)
    assert by_difference.is_above(0.26, 0.2)
    assert not by_difference.is_above(0.24, 0.2)
    assert by_difference.is_below(0.14, 0.2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_ratio": None}, "max_ratio"),
        ({"max_difference": 0.1}, "max_ratio"),
        ({"max_ratio": 1.0}, "max_ratio"),
        ({"max_ratio": None, "max_difference": 0.0}, "max_difference"),
        ({"max_ratio": None, "max_difference": 1.0}, "max_difference"),
        ({"min_decisions": 0}, "min_decisions"),
        ({"window": timedelta(minutes=59)}, "window"),
        ({"window": timedelta(days=91)}, "window"),
        ({"applies_to": Selector(contents=("x",))}, "applies_to"),
    ],
)
def test_nonsense_is_refused(changes: dict, field: str) -> None:
    assert [problem.field for problem in replace(BLOCKS, **changes).problems()] == [field]


def test_sentence_says_by_what_and_how_far() -> None:
    assert BLOCKS.sentence(0) == (
        "d (member: at most 1.25 times the rate of everybody; "
        "the customer's group gets it more often than allowed)"
    )
