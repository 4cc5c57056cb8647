"""``exploration``: bounds on action probability, the strictest of all policies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies import GuardStack
from nba.policies.kinds import Exploration

Guard = Callable[..., GuardStack]


def _bounds(floor: float = 0.0, max_share: float = 1.0, **selector: tuple[str, ...]) -> Exploration:
    return Exploration(
        id=PolicyId("p"),
        description="d",
        floor=floor,
        max_share=max_share,
        applies_to=Selector(**selector),
    )


def test_strictest_bounds_hold(guard: Guard) -> None:
    stack = guard(
        _bounds(floor=0.01),
        _bounds(floor=0.05, max_share=0.5, actions=("shirt",)),
        _bounds(max_share=0.3, actions=("shirt", "card")),
    )
    assert stack.era(0).floors.tolist() == [0.0, 0.01, 0.05, 0.01, 0.0]
    assert stack.era(0).ceilings.tolist() == [1.0, 0.3, 0.3, 1.0, 1.0]


def test_ceiling_holds_against_the_floor_of_another_policy(guard: Guard) -> None:
    stack = guard(_bounds(floor=0.2), _bounds(max_share=0.1, actions=("card",)))
    assert stack.era(0).floors.tolist() == [0.0, 0.1, 0.2, 0.2, 0.0]


def test_without_policies_nothing_is_bounded(guard: Guard) -> None:
    stack = guard()
    assert stack.era(0).floors.tolist() == [0.0] * 5
    assert stack.era(0).ceilings.tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("floor", "max_share", "fields"),
    [
        (0.2, 1.0, []),
        (0.21, 1.0, ["floor"]),
        (-0.1, 1.0, ["floor"]),
        (0.0, 0.0, ["max_share"]),
        (0.0, 1.1, ["max_share"]),
        (0.1, 0.05, ["floor"]),
    ],
)
def test_problems(floor: float, max_share: float, fields: list[str]) -> None:
    assert [problem.field for problem in _bounds(floor, max_share).problems()] == fields
