"""``lever``: bounded weights on expected value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies import GuardStack
from nba.policies.kinds import Lever

Guard = Callable[..., GuardStack]


def _lever(weight: float, **selector: tuple[str, ...]) -> Lever:
    return Lever(id=PolicyId("p"), description="d", weight=weight, applies_to=Selector(**selector))


def test_levers_multiply_where_they_select(guard: Guard) -> None:
    levers = guard(_lever(2.0), _lever(1.5, actions=("shirt",))).era(0).levers
    assert levers.tolist() == [1.0, 2.0, 3.0, 2.0, 1.0]


def test_levers_together_stay_within_the_bounds_of_one(guard: Guard) -> None:
    assert guard(_lever(8.0), _lever(8.0)).era(0).levers.tolist() == [1.0, 10.0, 10.0, 10.0, 1.0]
    assert guard(_lever(0.2), _lever(0.2)).era(0).levers.tolist() == [1.0, 0.1, 0.1, 0.1, 1.0]


@pytest.mark.parametrize(
    ("weight", "fields"),
    [(0.1, []), (10.0, []), (0.0, ["weight"]), (-1.0, ["weight"]), (float("nan"), ["weight"])],
)
def test_bounds(weight: float, fields: list[str]) -> None:
    assert [problem.field for problem in _lever(weight).problems()] == fields
