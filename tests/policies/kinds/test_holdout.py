"""``holdout``: sticky, of the share asked for, and said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nba.domain.audience import membership_code
from nba.domain.catalog import Catalog
from nba.domain.ids import PolicyId, uniform_hash
from nba.domain.policy import Selector
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.expressions import Level, Schema, Symbol, ValueType
from nba.policies import Candidates, GuardStack, Situation, compile_guards
from nba.policies.kinds import Holdout
from nba.policies.kinds.holdout import Exempt

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


def test_a_larger_share_keeps_everybody_who_was_in(guard: Guard, moment: Moment) -> None:
    customers = [f"c{number}" for number in range(500)]
    held: set[str] = set()
    for share in (0.0, 0.05, 0.1, 0.5, 1.0):
        stack = guard(replace(HOLDOUT, share=share))
        now = {one for one in customers if stack.evaluate(moment(customer_id=one)).holdout}
        assert held <= now
        held = now
    assert held == set(customers)


def test_a_customer_in_two_holdouts_is_told_of_both(guard: Guard, moment: Moment) -> None:
    everywhere = replace(HOLDOUT, id=PolicyId("everywhere"), share=1.0)
    branch = replace(
        HOLDOUT,
        id=PolicyId("branch"),
        share=1.0,
        salt="other",
        applies_to=Selector(terms=("product:credit",)),
    )
    stack = guard(branch, everywhere)
    drops = stack.explain(moment())
    assert [[stack.reason(drop).policy for drop in found] for found in drops[1:3]] == [
        ["branch", "everywhere"],
        ["everywhere"],
    ]
    verdicts = stack.evaluate(moment())
    assert stack.reason(int(verdicts.dropped_by[1])).policy == "branch"


def test_two_salts_hold_out_independently(guard: Guard, moment: Moment) -> None:
    one = guard(replace(HOLDOUT, share=0.5))
    other = guard(replace(HOLDOUT, share=0.5, salt="other"))
    both = sum(
        one.evaluate(situation).holdout and other.evaluate(situation).holdout
        for situation in (moment(customer_id=f"c{number}") for number in range(1_000))
    )
    assert both == pytest.approx(250, abs=4 * (1_000 * 0.25 * 0.75) ** 0.5)


def test_who_is_exempt_is_never_held_out(catalog: Catalog, moment: Moment) -> None:
    schema: Schema = {
        "segment.new": Symbol("segment.new", ValueType.BOOL, Level.SITUATION, 0),
    }
    listed = replace(catalog, taxonomy=Taxonomy({"audience": Dimension({"vip": "", "vip/a": ""})}))
    policy = replace(
        HOLDOUT, share=1.0, exempt=Exempt(audiences=("new", "vip"), customers=("the_ceo",))
    )
    candidates = Candidates(listed.placements[0], listed.actions, np.zeros((5, 0)))
    stack = compile_guards([policy], candidates, schema, catalog=listed)

    def held(new: float, *, on: str = "", customer_id: str = "c1") -> bool:
        consents = {membership_code(on): True} if on else {}
        situation = moment(consents=consents, customer_id=customer_id)
        return stack.evaluate(replace(situation, symbols=np.array([new]))).holdout

    assert held(0.0)
    assert held(np.nan)  # only perhaps exempt
    assert not held(1.0)
    assert not held(np.nan, on="vip/a")
    assert not held(0.0, customer_id="the_ceo")
