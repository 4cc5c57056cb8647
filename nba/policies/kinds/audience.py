"""``audience``: is the customer among those it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nba.domain.policy import Missing
from nba.policies.audiences import Among, compile_audiences
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

THIRD_CAUSE = SECOND_CAUSE + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AudiencePolicy(PolicyKind):
    """Keeps a candidate only for who is in any audience of ``in`` and in none of ``not_in``.

    An audience is a segment of the features, or an uploaded list: a term of the taxonomy's
    dimension ``audience``, with all lists below it. Where data is missing to say who is in a
    segment, ``missing`` decides; who is not on a list is off it. An empty ``in`` is everybody.
    """

    kind: Literal["audience"] = "audience"
    in_: Annotated[tuple[str, ...], Field(alias="in")] = ()
    not_in: tuple[str, ...] = ()
    missing: Missing = Missing.CLOSED
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("audience.outside", "the customer is in none of the audiences it is for"),
        Cause("audience.unknown", "data is missing to say which audiences the customer is in"),
        Cause("audience.excluded", "the customer is in an audience it is not for"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse a policy that names nobody, or somebody on both sides."""
        if not self.in_ and not self.not_in:
            yield Problem("in", "no audience is named", "name some under in or not_in")
        for name in self.in_:
            if name in self.not_in:
                found = f"audience {name!r} is under in and under not_in"
                yield Problem("not_in", found, "name it once")

    def sentence(self, cause: int) -> str:
        """Say for whom it is and for whom not."""
        parts = [f"for {', '.join(self.in_)}"] if self.in_ else []
        parts += [f"not for {', '.join(self.not_in)}"] if self.not_in else []
        return f"{self.description} ({', '.join(parts)}; {self.causes[cause].meaning})"


def compile_audience_policies(
    selected: Sequence[Selected[AudiencePolicy]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy."""
    catalog, schema = surroundings.catalog, surroundings.schema
    tests = [
        (
            gate,
            item.policy,
            compile_audiences(item.policy.in_, catalog, schema),
            compile_audiences(item.policy.not_in, catalog, schema),
        )
        for gate, item in enumerate(selected, start=surroundings.first_gate)
    ]

    return Stage(tuple(Gate(item.index, item.rows) for item in selected), partial(_close, tests))


def _close(
    tests: Sequence[tuple[int, AudiencePolicy, Among, Among]],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    for gate, policy, among, not_among in tests:
        excluded = not_among.holds(situation)
        inside = not policy.in_ or among.holds(situation)
        if excluded:
            closed[gate] = THIRD_CAUSE
        elif inside is False:
            closed[gate] = FIRST_CAUSE
        elif inside is None or excluded is None:
            closed[gate] = SECOND_CAUSE if policy.missing is Missing.CLOSED else OPEN
