"""What the kinds with a CEL condition share: eligibility, applicability and suitability.

Their conditions are compiled into one program, so that sub-expressions are shared among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nba.domain.policy import Missing
from nba.expressions import parse
from nba.policies.kind import PolicyKind
from nba.policies.stage import Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionPolicy(PolicyKind):
    """A policy that keeps a candidate only where ``condition`` is true.

    ``condition`` is CEL over features, request, action and placement. Where it is unknown because
    a value is missing, ``missing`` decides.
    """

    condition: str
    missing: Missing = Missing.CLOSED

    def sentence(self, cause: int) -> str:
        """Say which condition was not met, or could not be judged."""
        if cause == 0:
            return f"{self.description} (not met: {self.condition})"
        return f"{self.description} (data missing for: {self.condition})"


def compile_conditions(
    selected: Sequence[Selected[ConditionPolicy]], surroundings: Surroundings
) -> Stage:
    """Compile; raises :class:`~nba.expressions.ExpressionError` where a condition is wrong."""
    return Stage(
        tuple(
            Gate(
                policy=item.index,
                rows=item.rows,
                condition=parse(item.policy.condition, surroundings.schema),
                open_if_unknown=item.policy.missing is Missing.OPEN,
            )
            for item in selected
        )
    )
