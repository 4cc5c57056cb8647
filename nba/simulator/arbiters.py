"""Ways of choosing that a simulation compares the service with, under the same guardrails.

An arbiter is asked, for one decision, about the candidates that all guardrails kept, and answers
with a probability for each, ``(n_candidates,) float64``, summing to 1. ``no_action`` is always
among the candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.decision.arbitration import ArbiterInput
from nba.domain.ids import NO_ACTION, ActionId
from nba.simulator.memory import JourneyMemory
from nba.simulator.world import World


class Random:
    """Every candidate is equally likely."""

    def __call__(self, asked: ArbiterInput) -> NDArray[np.float64]:
        """Return equal shares."""
        return np.full(len(asked.actions), 1.0 / len(asked.actions))


class Constant:
    """Always one action where it is a candidate, ``no_action`` elsewhere."""

    def __init__(self, action: ActionId) -> None:
        self._action = action

    def __call__(self, asked: ArbiterInput) -> NDArray[np.float64]:
        """Return all probability on the action, or on ``no_action``."""
        wanted = self._action if self._action in asked.actions else NO_ACTION
        return _all_on(asked.actions.index(wanted), len(asked.actions))


class NoAction:
    """Always says nothing."""

    def __call__(self, asked: ArbiterInput) -> NDArray[np.float64]:
        """Return all probability on ``no_action``."""
        return _all_on(asked.actions.index(NO_ACTION), len(asked.actions))


class Oracle:
    """Always the candidate of highest true expected value: what perfect knowledge would choose.

    It looks one decision ahead; what a contact costs later responses through fatigue it does not
    weigh. ``memory`` must be that of the journey being played.
    """

    def __init__(self, world: World, memory: JourneyMemory) -> None:
        self._world = world
        self._memory = memory

    def __call__(self, asked: ArbiterInput) -> NDArray[np.float64]:
        """Return all probability on the truly best candidate."""
        truth = self._world.truth
        customer = self._world.customer_index[asked.customer_id]
        values = truth.expected_values(
            customer,
            truth.placement_index[asked.placement],
            at_ms=asked.at_ms,
            context=asked.context,
            exposure=self._memory.exposure(customer, at_ms=asked.at_ms),
        )
        rows = [truth.action_index[action] for action in asked.actions]
        return _all_on(int(values[rows].argmax()), len(rows))


def _all_on(index: int, size: int) -> NDArray[np.float64]:
    probabilities = np.zeros(size)
    probabilities[index] = 1.0
    return probabilities
