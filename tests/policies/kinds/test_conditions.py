"""``eligibility``, ``applicability`` and ``suitability``: kept only where the condition is true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.expressions import ExpressionError, Level, Symbol, ValueType, compile_program, interpret
from nba.policies import GuardStack, Situation
from nba.policies.condition import parse_condition
from nba.policies.kinds import Applicability, Eligibility, Suitability

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

CREDIT = Selector(terms=("product:credit",))


def _policy(
    kind: type[Eligibility | Applicability], condition: str, missing: Missing = Missing.CLOSED
) -> Eligibility | Applicability:
    return kind(
        id=PolicyId("p"),
        description="Adults only.",
        applies_to=CREDIT,
        condition=condition,
        missing=missing,
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(Eligibility, "eligibility"), (Applicability, "applicability")]
)
def test_customer_below_the_condition_is_dropped_where_selected(
    guard: Guard, moment: Moment, left: Left, kind: type[Eligibility | Applicability], name: str
) -> None:
    stack = guard(_policy(kind, "customer.age >= 18"))
    assert left(stack, moment(age=18.0)) == {}
    assert left(stack, moment(age=17.0)) == {
        "card": f"{name}.not_met",
        "notice": f"{name}.not_met",
    }


def test_missing_data_closes_unless_the_policy_says_open(
    guard: Guard, moment: Moment, left: Left
) -> None:
    closed = guard(_policy(Eligibility, "customer.age >= 18"))
    opened = guard(_policy(Eligibility, "customer.age >= 18", Missing.OPEN))
    assert left(closed, moment())["card"] == "eligibility.unknown"
    assert left(opened, moment()) == {}
    assert left(opened, moment(age=17.0))["card"] == "eligibility.not_met"


def test_condition_on_the_action_judges_each_candidate(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(
        Eligibility(
            id=PolicyId("p"),
            description="d",
            condition='customer.age >= action.value || !("product:credit" in action.terms)',
        )
    )
    assert left(stack, moment(age=20.0)) == {"card": "eligibility.not_met"}
    assert left(stack, moment(age=50.0)) == {}
    assert set(left(stack, moment())) == {"card", "notice"}


def test_suitability_leaves_service_and_duty_alone(
    guard: Guard, moment: Moment, left: Left
) -> None:
    policy = Suitability(id=PolicyId("p"), description="d", condition="customer.member")
    assert set(left(guard(policy), moment(member=0.0))) == {"card", "shirt"}


def test_sentence_tells_a_condition_not_met_from_data_missing() -> None:
    policy = _policy(Eligibility, "customer.age >= 18")
    assert policy.sentence(0) == "Adults only. (not met: customer.age >= 18)"
    assert policy.sentence(1) == "Adults only. (data missing for: customer.age >= 18)"


def test_condition_that_does_not_fit_is_an_error_when_compiled(guard: Guard) -> None:
    with pytest.raises(ExpressionError, match=r"unknown name customer\.agee"):
        guard(_policy(Eligibility, "customer.agee >= 18"))


@pytest.mark.parametrize(
    "condition",
    [
        "customer.age == 19.99",
        "19.99 == customer.age",
        "customer.age >= 19.99 && customer.age <= 19.99",
        "!(customer.age != 19.99)",
        "customer.age in [19.99, 20.0]",
        "customer.age > -19.99",
        "(customer.age == 19.99 ? 1.0 : 2.0) + 1.0 == 2.0",
    ],
)
def test_a_constant_is_compared_as_the_situation_keeps_it_in_float32(
    guard: Guard, moment: Moment, left: Left, condition: str
) -> None:
    kept = float(np.float32(19.99))
    assert kept != 19.99
    assert left(guard(_policy(Eligibility, condition)), moment(age=kept)) == {}


def test_a_constant_beside_a_candidates_number_stays_exact(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(_policy(Eligibility, "action.value + 0.1 == 50.1"))
    assert left(stack, moment()) == {"notice": "eligibility.not_met"}


def test_rounding_a_condition_keeps_program_and_interpreter_agreed() -> None:
    symbol = Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 0)
    kept = float(np.float32(19.99))
    for source in ("customer.age == 19.99", "customer.age < 19.99", "customer.age in [19.99]"):
        rounded = parse_condition(source, {"customer.age": symbol})
        ran = compile_program([rounded]).run(np.array([kept]), np.zeros((1, 0)))
        assert bool(ran[0, 0]) is interpret(rounded, {"customer.age": kept})
