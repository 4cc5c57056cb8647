"""What a recount of guardrails looks at besides the ledger: who consented, where, and when."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nba.domain.customer import Consent
from nba.domain.ids import CustomerId


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A customer's word on a channel and purpose, from a moment on (epoch milliseconds)."""

    customer_id: CustomerId
    at_ms: int
    channel: str
    purpose: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class TimeZoneChange:
    """A customer's time zone (IANA name), from a moment on (epoch milliseconds)."""

    customer_id: CustomerId
    at_ms: int
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class AudienceChange:
    """Whether a customer is on an uploaded list, from a moment on (epoch milliseconds)."""

    customer_id: CustomerId
    at_ms: int
    audience: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Violation:
    """One choice that a guardrail should have stopped."""

    policy: str
    kind: str
    decision_id: str
    choice: int
    customer_id: str
    action: str
    at_ms: int
    found: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Consents, time zones and audiences over time, looked up as they stood at a moment.

    ``tells_audiences`` says whether anything at all is known of who is on which list.
    """

    _consents: Mapping[tuple[str, str, str], list[tuple[int, Consent]]] = field(repr=False)
    _time_zones: Mapping[str, list[tuple[int, str | None]]] = field(repr=False)
    _audiences: Mapping[str, list[AudienceChange]] = field(repr=False)
    tells_audiences: bool

    @classmethod
    def of(
        cls,
        consents: Iterable[ConsentChange],
        time_zones: Iterable[TimeZoneChange],
        audiences: Iterable[AudienceChange] | None = None,
    ) -> Evidence:
        """Index changes; where two carry one moment, the later given holds.

        ``None`` for ``audiences`` says that nothing is known of them, and none that nobody ever was
        on any.
        """
        by_consent: dict[tuple[str, str, str], list[tuple[int, Consent]]] = defaultdict(list)
        by_zone: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
        for change in consents:
            key = (change.customer_id, change.channel, change.purpose)
            by_consent[key].append((change.at_ms, change.consent))
        for move in time_zones:
            by_zone[move.customer_id].append((move.at_ms, move.time_zone))
        for consent_changes in by_consent.values():
            consent_changes.sort(key=lambda change: change[0])
        for zone_changes in by_zone.values():
            zone_changes.sort(key=lambda change: change[0])
        by_audience: dict[str, list[AudienceChange]] = defaultdict(list)
        for told in sorted(audiences or (), key=lambda told: told.at_ms):
            by_audience[told.customer_id].append(told)
        return cls(dict(by_consent), dict(by_zone), dict(by_audience), audiences is not None)

    def consent(self, customer_id: str, channel: str, purpose: str, *, at_ms: int) -> Consent:
        """Return the consent as it stood."""
        changes = self._consents.get((customer_id, channel, purpose), [])
        index = bisect_right(changes, at_ms, key=lambda change: change[0])
        return changes[index - 1][1] if index else Consent.UNKNOWN

    def audiences(self, customer_id: str, *, at_ms: int) -> set[str]:
        """Return the lists a customer was on."""
        held = {
            told.audience: told.is_on
            for told in self._audiences.get(customer_id, ())
            if told.at_ms <= at_ms
        }
        return {name for name, is_on in held.items() if is_on}

    def time_zone(self, customer_id: str, *, at_ms: int) -> str | None:
        """Return the time zone as it stood, ``None`` where unknown."""
        changes = self._time_zones.get(customer_id, [])
        index = bisect_right(changes, at_ms, key=lambda change: change[0])
        return changes[index - 1][1] if index else None
