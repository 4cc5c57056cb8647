"""``consent``: has the customer agreed to this channel for this purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import MessageClass
from nba.domain.consent import consent_code
from nba.domain.policy import Missing
from nba.policies.kind import Cause, PolicyKind
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPolicy(PolicyKind):
    """Keeps a candidate only with consent to the placement's channel and the action's purpose.

    ``purposes`` limits the policy to actions of these purposes; empty is all. A denial always
    drops. Where the customer has said neither, a promotion is dropped, and ``missing`` decides
    about the rest.
    """

    kind: Literal["consent"] = "consent"
    purposes: tuple[str, ...] = ()
    missing: Missing = Missing.CLOSED
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("consent.denied", "the customer refused this channel for this purpose"),
        Cause("consent.unknown", "the customer never agreed to this channel for this purpose"),
    )

    def sentence(self, cause: int) -> str:
        """Say whether consent was refused or never given."""
        return f"{self.description} ({self.causes[cause].meaning})"


def compile_consents(
    selected: Sequence[Selected[ConsentPolicy]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate for each policy and purpose among its candidates, promotions apart."""
    actions = surroundings.candidates.actions
    channel = surroundings.candidates.placement.channel
    gates: list[Gate] = []
    lookups: list[tuple[int, int, int]] = []
    for item in selected:
        policy = item.policy
        rows_of: dict[tuple[str, bool], list[int]] = {}
        for row in item.rows.tolist():
            key = (actions[row].purpose, actions[row].message_class is MessageClass.PROMOTIONAL)
            rows_of.setdefault(key, []).append(row)
        for (purpose, is_promotion), rows in rows_of.items():
            if policy.purposes and purpose not in policy.purposes:
                continue
            is_closed = is_promotion or policy.missing is Missing.CLOSED
            gate = surroundings.first_gate + len(gates)
            unknown = SECOND_CAUSE if is_closed else OPEN
            lookups.append((gate, consent_code(channel, purpose), unknown))
            gates.append(Gate(item.index, np.array(rows, dtype=np.int32)))

    return Stage(tuple(gates), partial(_close, lookups))


def _close(
    lookups: Sequence[tuple[int, int, int]],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    for gate, code, unknown in lookups:
        granted = situation.consents.get(code)
        if granted is None:
            closed[gate] = unknown
        elif not granted:
            closed[gate] = FIRST_CAUSE
