"""``budget``: closed where nothing is left, ahead of its pace, or where that is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from nba.domain.catalog import Action, Catalog
from nba.domain.ids import ActionId, PolicyId, hash32
from nba.domain.policy import Selector
from nba.policies import GuardStack, Situation
from nba.policies.kinds import Budget
from nba.policies.kinds.budget import Amount, Pacing, Unit

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

NOW_S = 1_750_000_000  # a Sunday, 15:06:40 UTC: 0.6296 of the day
DAY_S = 1_749_945_600
DAILY = Budget(id=PolicyId("p"), description="d", limit=10, period="day")
MONEY = replace(DAILY, limit=100, unit=Unit.MONEY, amount=Amount.VALUE)  # a card 50, a shirt 5
SPENT = {"card": "budget.spent", "shirt": "budget.spent"}


def known(used: int, start_s: int = DAY_S) -> dict[int, tuple[int, ...]]:
    """Return the shared state in which so much is used of ``p``."""
    return {hash32("p"): (start_s, used)}


def test_closes_when_nothing_is_left_and_not_before(
    guard: Guard, moment: Moment, left: Left
) -> None:
    assert left(guard(DAILY), moment(shared=known(9))) == {}
    assert left(guard(DAILY), moment(shared=known(10))) == SPENT
    assert left(guard(DAILY), moment(shared=known(11))) == SPENT


def test_each_candidate_needs_its_own_amount(guard: Guard, moment: Moment, left: Left) -> None:
    assert left(guard(MONEY), moment(shared=known(5_000))) == {}
    assert left(guard(MONEY), moment(shared=known(5_001))) == {"card": "budget.spent"}
    assert left(guard(MONEY), moment(shared=known(9_500))) == {"card": "budget.spent"}
    assert left(guard(MONEY), moment(shared=known(9_501))) == SPENT


def test_what_is_not_known_is_closed(guard: Guard, moment: Moment, left: Left) -> None:
    unknown = dict.fromkeys(["card", "shirt"], "budget.unknown")
    assert left(guard(DAILY), moment()) == unknown
    # Known of a period still to come: the clock has stepped back.
    assert left(guard(DAILY), moment(shared=known(0, DAY_S + 86_400))) == unknown


def test_a_new_period_begins_with_nothing_spent(guard: Guard, moment: Moment, left: Left) -> None:
    assert left(guard(DAILY), moment(shared=known(10, DAY_S - 86_400))) == {}


def test_what_this_answer_takes_counts(guard: Guard, moment: Moment, left: Left) -> None:
    contacts = [(0, "shirt", "email.body"), (0, "card", "web.hero")]
    own = {"contacts": contacts, "answer_from": 0}
    assert left(guard(DAILY), moment(shared=known(7), **own)) == {}
    assert left(guard(DAILY), moment(shared=known(8), **own)) == SPENT
    email = replace(DAILY, applies_to=Selector(channels=("email",)))
    assert left(guard(email), moment(shared=known(8), **own)) == {}
    assert left(guard(MONEY), moment(shared=known(0), **own)) == {"card": "budget.spent"}
    earlier = {"contacts": contacts}
    assert left(guard(DAILY), moment(shared=known(8), **earlier)) == {}


def test_what_costs_nothing_is_not_held_back(guard: Guard, moment: Moment, left: Left) -> None:
    by_cost = replace(MONEY, amount=Amount.COST)  # nothing in this catalog costs anything
    assert left(guard(by_cost), moment(shared=known(10_000))) == {}


@pytest.mark.parametrize(
    ("pacing", "allowed"),
    [
        (Pacing.NONE, 1_000),
        (Pacing.EVEN, 649),  # 0.62963 of the day, and 2 % more
        (Pacing.FRONT_LOADED, 882),  # 1 - (1 - 0.62963)², and 2 % more
    ],
)
def test_pacing_holds_back_what_is_spent_too_early(
    guard: Guard, moment: Moment, left: Left, pacing: Pacing, allowed: int
) -> None:
    paced = replace(DAILY, limit=1_000, pacing=pacing)
    code = "budget.spent" if pacing is Pacing.NONE else "budget.paced"
    assert paced.allowed_units(NOW_S * 1_000) == allowed
    assert left(guard(paced), moment(shared=known(allowed - 1))) == {}
    assert left(guard(paced), moment(shared=known(allowed))) == dict.fromkeys(SPENT, code)
    assert left(guard(paced), moment(shared=known(1_000))) == SPENT


def test_the_first_customer_of_a_period_need_not_wait(
    guard: Guard, moment: Moment, left: Left
) -> None:
    paced = replace(DAILY, limit=3, pacing=Pacing.EVEN)
    midnight = {"at_ms": DAY_S * 1_000}
    assert paced.allowed_units(DAY_S * 1_000) == 0
    assert left(guard(paced), moment(shared=known(0), **midnight)) == {}
    closed = dict.fromkeys(SPENT, "budget.paced")
    assert left(guard(paced), moment(shared=known(1), **midnight)) == closed


def test_pace_only_rises_and_ends_at_the_limit() -> None:
    for pacing in (Pacing.EVEN, Pacing.FRONT_LOADED):
        paced = replace(DAILY, limit=997, pacing=pacing)
        allowed = [paced.allowed_units((DAY_S + at) * 1_000) for at in range(0, 86_400, 60)]
        assert allowed == sorted(allowed)
        assert allowed[0] == 19
        assert paced.allowed_units((DAY_S + 86_399) * 1_000) == 997


def test_a_minimum_lifts_what_is_behind_it(guard: Guard, moment: Moment) -> None:
    floor = replace(DAILY, limit=100, minimum=50, boost=3)  # 31 are promised by now
    stack = guard(floor)
    behind = np.array([1, 3, 3, 1, 1])
    assert stack.weights(moment(shared=known(30))).tolist() == behind.tolist()
    assert stack.weights(moment(shared=known(31))).tolist() == [1] * 5
    assert stack.weights(moment()).tolist() == [1] * 5  # what is not known is not behind
    over = replace(floor, ends="2025-06-01")
    assert guard(over).weights(moment(shared=known(0))).tolist() == [1] * 5


def test_only_what_is_selected_is_under_it(guard: Guard, moment: Moment, left: Left) -> None:
    credit = replace(DAILY, applies_to=Selector(terms=("product:credit",)))
    assert left(guard(credit), moment(shared=known(10))) == {"card": "budget.spent"}
    named = replace(DAILY, applies_to=Selector(actions=("survey",)))
    assert left(guard(named), moment(shared=known(10))) == {"survey": "budget.spent"}


def test_takes_what_the_policy_says(catalog: Catalog) -> None:
    placement = catalog.placements[0]
    action = Action(id=ActionId("a"), name="A", cost=0.071, value=3)
    assert DAILY.takes(action, placement, None) == 1
    assert replace(DAILY, unit=Unit.MONEY).takes(action, placement, None) == 8  # rounded up
    assert MONEY.takes(action, placement, None) == 300
    elsewhere = replace(DAILY, applies_to=Selector(channels=("sms",)))
    assert elsewhere.takes(action, placement, None) == 0
    content = catalog.contents[0]
    of_content = replace(DAILY, applies_to=Selector(contents=(content.id,)))
    assert of_content.takes(action, placement, content) == 1
    assert of_content.takes(action, placement, catalog.contents[1]) == 0
    assert of_content.takes(action, placement, None) == 0


def test_a_change_of_unit_or_period_makes_it_another_account() -> None:
    others = [replace(DAILY, zone="Europe/Vienna"), replace(DAILY, period="week"), MONEY]
    assert len({policy.added_up_by for policy in (DAILY, *others)}) == 4
    assert replace(DAILY, limit=99, hold=None, description="x").added_up_by == DAILY.added_up_by
    total = replace(DAILY, period="total", starts="2025-01-01", ends="2025-02-01")
    assert (total.period_of(0).start_s, total.period_of(0).end_s) == (0, 1_738_368_000)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 2.5}, "limit"),
        ({"limit": float("nan")}, "limit"),
        ({"limit": 1.001, "unit": Unit.MONEY}, "limit"),
        ({"amount": Amount.VALUE}, "amount"),
        ({"period": "year"}, "period"),
        ({"period": "10s"}, "period"),
        ({"unit": Unit.STOCK}, "period"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"period": "6h", "zone": "Europe/Vienna"}, "zone"),
        ({"period": "total", "pacing": Pacing.EVEN}, "pacing"),
        ({"period": "total", "minimum": 1, "boost": 2}, "minimum"),
        ({"minimum": 11, "boost": 2}, "minimum"),
        ({"minimum": 1}, "boost"),
        ({"boost": 2}, "boost"),
        ({"minimum": 1, "boost": 11}, "boost"),
        ({"counting": "delivered"}, "hold"),
        ({"release": ("bounced",)}, "hold"),
        ({"hold": timedelta(days=1)}, "hold"),
        ({"counting": "delivered", "hold": timedelta(days=31)}, "hold"),
        ({"counting": "", "hold": timedelta(days=1)}, "counting"),
        (
            {"counting": "delivered", "release": ("delivered",), "hold": timedelta(days=1)},
            "release",
        ),
        (
            {"minimum": 1, "boost": 2, "applies_to": Selector(contents=("x",))},
            "minimum",
        ),
    ],
)
def test_nonsense_is_refused(changes: dict, field: str) -> None:
    problems = list(replace(DAILY, **changes).problems())
    assert [problem.field for problem in problems] == [field]


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 19.99, "unit": Unit.MONEY},
        {"unit": Unit.STOCK, "period": "total"},
        {"period": "total", "pacing": Pacing.EVEN, "starts": "2025-01-01", "ends": "2025-02-01"},
        {"counting": "delivered", "release": ("bounced",), "hold": timedelta(days=2)},
        {"minimum": 5, "boost": 2.5},
    ],
)
def test_sense_is_not_refused(changes: dict) -> None:
    assert list(replace(DAILY, **changes).problems()) == []


def test_sentence_says_how_much_of_what() -> None:
    euros = replace(MONEY, limit=99.5, period="week")
    assert euros.sentence(0) == "d (99.5 per week; what is left of it does not suffice)"
    stock = replace(DAILY, unit=Unit.STOCK, period="total")
    assert stock.sentence(1) == "d (10 in stock in all; how much of it is spent is not known here)"
