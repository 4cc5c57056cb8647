"""The bodies the API takes: parsed and typed by msgspec, then turned into words of the domain."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nba.bodies import Identifier, Moment
from nba.domain.clock import from_datetime
from nba.domain.customer import ALIAS_SOURCE, API_SOURCE, Consent, ProfileUpdate
from nba.domain.decision import DecisionRequest, Mode, PlacementRequest, TakenAction
from nba.domain.ids import (
    ActionId,
    ContentId,
    CustomerId,
    DecisionId,
    OutcomeId,
    PlacementId,
)
from nba.domain.outcome import Outcome
from nba.errors import Fault, InputError

Amount = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]

MAX_BATCH = 1_000
"""Outcomes or events in one request."""


class PlacementBody(msgspec.Struct, forbid_unknown_fields=True):
    """A slot to fill."""

    id: Identifier
    count: int = 1


class TakenBody(msgspec.Struct, forbid_unknown_fields=True):
    """What another system took in a placement, and with which probability if it knows."""

    placement: Identifier
    action: Identifier
    content: Identifier | None = None
    probability: float | None = None


class DecisionBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/decisions``; ``taken`` is for the mode ``shadow``, one for each placement."""

    customer_id: Identifier
    placements: Annotated[list[PlacementBody], msgspec.Meta(min_length=1, max_length=16)]
    context: dict[str, str | float | bool] = {}
    attributes: dict[str, str | float | bool | tuple[str, ...]] = {}
    actions: list[Identifier] = []
    terms: list[Identifier] = []
    locale: Identifier | None = None
    request_id: Identifier | None = None
    mode: Mode = Mode.LIVE
    taken: Annotated[list[TakenBody], msgspec.Meta(max_length=16)] = []

    def to_domain(self) -> DecisionRequest:
        """Return the request as the domain has it."""
        return DecisionRequest(
            customer_id=CustomerId(self.customer_id),
            placements=tuple(
                PlacementRequest(id=PlacementId(p.id), count=p.count) for p in self.placements
            ),
            context=self.context,
            attributes=self.attributes,
            actions=tuple(self.actions),
            terms=tuple(self.terms),
            locale=self.locale,
            request_id=self.request_id,
            mode=self.mode,
            taken=tuple(
                TakenAction(
                    placement=PlacementId(t.placement),
                    action=ActionId(t.action),
                    content=None if t.content is None else ContentId(t.content),
                    probability=t.probability,
                )
                for t in self.taken
            ),
        )


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True):
    """One outcome; ``at`` defaults to when it is received."""

    outcome_id: Identifier
    decision_id: Identifier
    kind: Identifier
    at: Moment | None = None
    choice: Annotated[int, msgspec.Meta(ge=0, le=1_023)] = 0
    value: Amount | None = None

    def to_domain(self, *, received_at_ms: int) -> Outcome:
        """Return the outcome as the domain has it."""
        return Outcome(
            outcome_id=OutcomeId(self.outcome_id),
            decision_id=DecisionId(self.decision_id),
            kind=self.kind,
            at_ms=from_datetime(self.at) if self.at else received_at_ms,
            received_at_ms=received_at_ms,
            choice=self.choice,
            value=self.value,
        )


class ProfileBody(msgspec.Struct, forbid_unknown_fields=True):
    """``PUT /v1/customers/{id}``: what is absent stays, ``null`` clears.

    ``audiences`` puts the customer on uploaded lists, or takes them off. ``consent_source`` says
    where the consents come from: a form, a call, a letter.
    """

    attributes: dict[str, str | float | bool | tuple[str, ...] | None] = {}
    consents: dict[str, dict[str, Consent]] = {}
    audiences: dict[str, bool] = {}
    time_zone: Identifier | None = None
    locale: Identifier | None = None
    consent_source: Identifier = API_SOURCE

    def to_domain(self, customer_id: str) -> ProfileUpdate:
        """Return the update as the domain has it."""
        if self.consent_source.startswith(ALIAS_SOURCE):
            found = f"a source that begins with {ALIAS_SOURCE!r}"
            raise InputError([Fault("/consent_source", found, "those are of merged customers")])
        return ProfileUpdate(
            customer_id=CustomerId(customer_id),
            attributes=self.attributes,
            consents=self.consents,
            audiences=self.audiences,
            time_zone=self.time_zone,
            locale=self.locale,
            source=self.consent_source,
        )
