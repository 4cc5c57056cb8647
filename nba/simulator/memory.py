"""What the journey engine remembers: who was contacted, what was decided, what came of it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.measurement.evidence import ConsentChange, Evidence, TimeZoneChange
from nba.simulator.truth import Exposure

FATIGUE_WINDOW_MS = 7 * SECONDS_PER_DAY * MILLISECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Played:
    """One decision as the journey saw it.

    ``expected_value`` is the true one of the chosen action with neutral content, ``value`` what was
    realised less the action's cost, both in currency; ``exposure`` as it was before the decision.
    """

    arrival: int
    decision_id: str
    customer: int
    placement: int
    at_ms: int
    exposure: Exposure
    action: str
    content: str | None
    expected_value: float
    accepted: bool
    value: float
    holdout: bool
    fallback: bool
    latency_ms: float


@dataclass(slots=True)
class JourneyMemory:
    """Contacts and lapses by customer, decisions in the order played, and changes of consent.

    ``refused`` are results of outcomes that the service rejected; there should be none.
    """

    played: list[Played] = field(default_factory=list)
    refused: list[Mapping[str, Any]] = field(default_factory=list)
    consents: list[ConsentChange] = field(default_factory=list)
    time_zones: list[TimeZoneChange] = field(default_factory=list)
    _contacts: dict[int, deque[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _lapses: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def exposure(self, customer: int, *, at_ms: int) -> Exposure:
        """Return what a customer was put through up to now."""
        contacts = self._contacts[customer]
        while contacts and contacts[0][0] <= at_ms - FATIGUE_WINDOW_MS:
            contacts.popleft()
        return Exposure(sum(weight for _, weight in contacts), self._lapses[customer])

    def contacted(self, customer: int, *, at_ms: int, weight: float) -> None:
        """Remember a contact."""
        self._contacts[customer].append((at_ms, weight))

    def lapsed(self, customer: int) -> None:
        """Remember that a contact drove the customer away."""
        self._lapses[customer] += 1

    def evidence(self) -> Evidence:
        """Return consents and time zones over time, for a recount of guardrails."""
        return Evidence.of(self.consents, self.time_zones)
