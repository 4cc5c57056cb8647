"""``holdout``: customers left alone, so that what the rest is worth can be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.domain.ids import uniform_hash
from nba.policies.audiences import Among, compile_audiences
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True)
class Exempt:
    """Who is never held out: everybody in these ``audiences``, and these ``customers``."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    audiences: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout(PolicyKind):
    """Drops everything selected for a ``share`` of customers, always the same for one ``salt``.

    A larger share keeps everybody who was in and adds others. Who is ``exempt`` is never held out;
    who is only perhaps in an exempt audience is held out as anybody.
    """

    kind: Literal["holdout"] = "holdout"
    share: float
    salt: str
    exempt: Exempt = field(default_factory=Exempt)
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("holdout.held_out", "the customer is in the group left alone for measurement"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse shares that are none, and an empty salt."""
        if not 0.0 <= self.share <= 1.0:
            yield Problem("share", f"share {self.share:g}", "between 0 and 1, such as 0.05")
        if not self.salt:
            yield Problem("salt", "an empty salt", "any word; another word draws another group")

    def sentence(self, cause: int) -> str:
        """Say how large the group is."""
        return f"{self.description} ({self.share:.1%} held out; {self.causes[cause].meaning})"


def compile_holdouts(selected: Sequence[Selected[Holdout]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    groups = [
        (
            gate,
            item.policy,
            frozenset(item.policy.exempt.customers),
            compile_audiences(
                item.policy.exempt.audiences, surroundings.catalog, surroundings.schema
            ),
        )
        for gate, item in enumerate(selected, start=surroundings.first_gate)
    ]

    return Stage(gates, partial(_close, groups))


def _close(
    groups: Sequence[tuple[int, Holdout, frozenset[str], Among]],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    customer_id = situation.customer_id
    for gate, policy, customers, audiences in groups:
        if uniform_hash(policy.salt, customer_id) >= policy.share or customer_id in customers:
            continue
        if not audiences.holds(situation):
            closed[gate] = FIRST_CAUSE
