"""What a decision looks at besides its plan, as guardrails see it, and which candidates count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.decision.plan import PlacementPlan, Plan
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.decision import DecisionRequest
from nba.domain.history import ContactHistory, Entry
from nba.domain.ids import DecisionId
from nba.policies import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInputs:
    """All a decision looks at besides its plan; ``features`` is ``(n_features,)`` float32.

    ``shared`` is what policies know that is the same for all customers; see
    :class:`~nba.policies.Situation`.
    """

    decision_id: DecisionId
    at_ms: int
    seed: int
    request: DecisionRequest
    features: NDArray[np.float32]
    consents: Mapping[int, bool]
    time_zone: str | None
    locale: str | None
    history: ContactHistory
    shared: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


def situation_of(
    inputs: DecisionInputs, history: ContactHistory, *, answered: int = 0
) -> Situation:
    """Return what the guardrails look at; the last ``answered`` contacts are the answer's own."""
    return Situation(
        customer_id=inputs.request.customer_id,
        at_ms=inputs.at_ms,
        symbols=inputs.features.astype(np.float64),
        consents=inputs.consents,
        time_zone=inputs.time_zone,
        history=history,
        answer_from=len(history) - answered,
        shared=inputs.shared,
    )


def extended_history(
    plan: Plan, inputs: DecisionInputs, contacts: Sequence[Entry]
) -> ContactHistory:
    """Return the history with the answer's own contacts, as far back as any policy looks."""
    since_s = inputs.at_ms // MILLISECONDS_PER_SECOND - plan.history_seconds
    return inputs.history.extended(contacts, keep_since_s=since_s)


def asked_for(
    plan: Plan, slot: PlacementPlan, request: DecisionRequest
) -> NDArray[np.bool_] | None:
    """Say which candidates the request's own filter leaves, ``(n,)``; ``no_action`` always.

    Terms may be named as they once were. ``None`` is a request without a filter: all of them.
    """
    if not request.actions and not request.terms:
        return None
    terms = plan.catalog.taxonomy.present(request.terms)
    asked = [
        action.is_no_action
        or action.id in request.actions
        or any(action.has_term(term) for term in terms)
        for action in slot.actions
    ]
    return np.array(asked, dtype=np.bool_)
