"""``holdout``: sticky, of the share asked for, and said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nba.domain.ids import PolicyId, uniform_hash
from nba.domain.policy import Selector
from nba.policies import GuardStack, Situation
from nba.policies.kinds import Holdout

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

HOLDOUT = Holdout(id=PolicyId("p"), description="d", share=0.2, salt="2026")


def test_customer_is_held_out_by_the_hash_of_salt_and_id(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(HOLDOUT)
    for number in range(200):
        situation = moment(customer_id=f"c{number}")
        expected = uniform_hash("2026", f"c{number}") < 0.2
        assert stack.evaluate(situation).holdout is expected
        held = dict.fromkeys(["card", "shirt"], "holdout.held_out")
        assert left(stack, situation) == (held if expected else {})


def test_share_is_kept(guard: Guard, moment: Moment) -> None:
    stack = guard(HOLDOUT)
    held = sum(stack.evaluate(moment(customer_id=f"c{n}")).holdout for n in range(2_000))
    assert held == pytest.approx(400, abs=4 * (2_000 * 0.2 * 0.8) ** 0.5)


def test_nobody_and_everybody(guard: Guard, moment: Moment) -> None:
    assert not guard(replace(HOLDOUT, share=0.0)).evaluate(moment()).holdout
    assert guard(replace(HOLDOUT, share=1.0)).evaluate(moment()).holdout


def test_customer_is_not_held_out_where_nothing_is_selected(guard: Guard, moment: Moment) -> None:
    elsewhere = replace(HOLDOUT, share=1.0, applies_to=Selector(channels=("sms",)))
    assert not guard(elsewhere).evaluate(moment()).holdout
    assert guard(elsewhere, placement="sms.text").evaluate(moment()).holdout


@pytest.mark.parametrize(
    ("share", "salt", "fields"),
    [(0.0, "s", []), (1.0, "s", []), (1.5, "s", ["share"]), (-0.1, "", ["share", "salt"])],
)
def test_bounds(share: float, salt: str, fields: list[str]) -> None:
    policy = replace(HOLDOUT, share=share, salt=salt)
    assert [problem.field for problem in policy.problems()] == fields
