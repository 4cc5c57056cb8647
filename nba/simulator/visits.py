"""What customers do on arriving, before a decision is asked for."""

from __future__ import annotations

from typing import Any

from nba.domain.catalog import Direction
from nba.simulator.arrivals import Arrivals
from nba.simulator.happenings import properties_of, track
from nba.simulator.world import World

_TICKET_MS = 48 * 3_600_000
_DELIVERY_DELAYED = 0.01


def visit_events(
    world: World, arrivals: Arrivals, index: int, at_ms: int
) -> list[tuple[int, dict[str, Any]]]:
    """Return what the customer does on arriving, before a decision is asked for, with its time.

    It depends on the arrival alone, so every policy sees the same customers.
    """
    customer = int(arrivals.customers[index])
    customer_id = world.records[customer].customer_id
    channel = arrivals.channel(index)
    category = int(arrivals.categories[index])
    basket = float(arrivals.baskets[index])
    happened: list[tuple[int, str]] = []
    if channel == "app":
        happened.append((at_ms, "App Opened"))
    if channel in {"web", "app"}:
        happened.append((at_ms, "Product Viewed"))
        if basket:
            happened.append((at_ms, "Product Added"))
    placement = world.placement(int(arrivals.placements[index]))
    if channel == "call_center" and placement.direction is Direction.INBOUND:
        reason = arrivals.context(index)["call_reason"]
        happened.append((at_ms, "Call Completed"))
        if reason == "complaint":
            happened += [
                (at_ms, "Complaint Opened"),
                (at_ms, "Ticket Opened"),
                (at_ms + _TICKET_MS, "Ticket Closed"),
            ]
        elif reason == "return":
            happened.append((at_ms, "Return Requested"))
    if arrivals.draw(index, "event") < _DELIVERY_DELAYED:
        happened.append((at_ms, "Delivery Delayed"))
    bodies = []
    for when_ms, name in happened:
        properties = properties_of(name, category, basket, f"{arrivals.stream}-{index}")
        message_id = f"{name}-{arrivals.stream}-{index}-before"
        bodies.append((when_ms, track(customer_id, name, message_id, when_ms, properties)))
    return bodies
