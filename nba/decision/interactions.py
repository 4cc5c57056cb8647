"""Outcomes on their way to the customer's profile, where features count them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from nba.decision.answer import said_choices
from nba.decision.plan import Plan
from nba.decision.recording import read_record
from nba.domain.customer import Event
from nba.domain.ids import ActionId, CustomerId, PlacementId
from nba.domain.outcome import Outcome

Interact = Callable[[Sequence[Event]], Awaitable[object]]
"""Applies interactions to profiles, each message once."""


def interactions(plan: Plan, reported: Sequence[tuple[Outcome, bytes]]) -> Iterator[Event]:
    """Yield an event for each outcome of a recorded decision that a feature of the plan counts.

    ``reported`` pairs each outcome with its decision's packed record. What the plan's catalog no
    longer has is passed over.
    """
    actions = {action.id: action for action in plan.catalog.actions}
    for outcome, packed in reported:
        record = read_record(packed)
        choice = said_choices(record.answer)[outcome.choice]
        action = actions.get(ActionId(choice["action"]))
        slot = plan.placements.get(PlacementId(choice["placement"]))
        if action is None or slot is None:
            continue
        event = plan.writing.interaction(
            outcome.kind,
            action,
            slot.placement,
            customer_id=CustomerId(record.customer_id),
            message_id=outcome.outcome_id,
            at_ms=outcome.at_ms,
            received_at_ms=outcome.received_at_ms,
        )
        if event is not None:
            yield event
