"""What happens to customers, as the events a company's systems would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY, to_rfc3339
from nba.domain.customer import Scalar
from nba.simulator.population import CustomerRecord
from nba.simulator.tastes import CATEGORIES, CHANNELS, Tastes, generator

_PAST_DAYS = 90
_DAY_MS = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND


def past_events(
    tastes: Tastes, records: tuple[CustomerRecord, ...], *, seed: int, start_ms: int
) -> Iterator[dict[str, Any]]:
    """Yield the ``track`` bodies of what customers did in the 90 days before the start."""
    rng = generator(seed, 11)
    loyal = tastes.factor("loyal")
    kinds = (
        ("Order Completed", 1.0 * np.exp(0.5 * loyal)),
        ("Product Viewed", 3.0 * np.exp(0.3 * loyal)),
        ("Email Opened", 1.0 * np.exp(tastes.channels[:, CHANNELS.index("email")])),
        ("App Opened", np.array([1.5 * bool(r.attributes["has_app"]) for r in records])),
        ("Call Completed", np.full(len(records), 0.1)),
        ("Complaint Opened", np.full(len(records), 0.04)),
        ("Ticket Closed", np.full(len(records), 0.06)),
        ("Return Requested", np.full(len(records), 0.15)),
        ("Delivery Delayed", np.full(len(records), 0.06)),
        ("Payment Missed", np.array([0.1 * bool(r.attributes["has_store_card"]) for r in records])),
    )
    for name, rates in kinds:
        counts = rng.poisson(rates)
        customers = np.repeat(np.arange(len(records)), counts)
        moments = start_ms - (rng.random(len(customers)) * _PAST_DAYS * _DAY_MS).astype(np.int64)
        draws = rng.random(len(customers))
        revenues = np.round(rng.gamma(2.0, 35.0, len(customers)), 2)
        for index, customer in enumerate(customers):
            category = pick_category(tastes, int(customer), float(draws[index]))
            yield track(
                records[customer].customer_id,
                name,
                f"past-{name}-{start_ms}-{index}",
                int(moments[index]),
                properties_of(name, category, float(revenues[index]), str(index)),
            )


def pick_category(tastes: Tastes, customer: int, draw: float) -> int:
    """Return the index in ``CATEGORIES`` that a uniform draw falls on for a customer."""
    reached = 0.0
    for index, share in enumerate(tastes.categories[customer]):
        reached += share
        if draw < reached:
            return index
    return len(CATEGORIES) - 1


def properties_of(name: str, category: int, amount: float, reference: str) -> dict[str, Scalar]:
    """Return the properties an event of this name carries."""
    return _PROPERTIES[name](CATEGORIES[category], amount, reference)


_PROPERTIES: Mapping[str, Callable[[str, float, str], dict[str, Scalar]]] = {
    "Order Completed": lambda kind, amount, reference: {
        "order_id": reference,
        "category": kind,
        "revenue": amount,
        "channel": "web",
    },
    "Product Viewed": lambda kind, _, reference: {
        "product_id": f"{kind}-{reference}",
        "category": kind,
    },
    "Product Added": lambda kind, amount, reference: {
        "product_id": f"{kind}-{reference}",
        "category": kind,
        "value": amount,
    },
    "Email Opened": lambda _kind, _, reference: {"message_id": reference},
    "App Opened": lambda _kind, _amount, _: {"platform": "ios"},
    "Return Requested": lambda kind, amount, reference: {
        "order_id": reference,
        "category": kind,
        "value": amount,
    },
    "Delivery Delayed": lambda _kind, _, reference: {"order_id": reference, "days": 2.0},
    "Complaint Opened": lambda _kind, _, reference: {"ticket_id": reference, "severity": "high"},
    "Ticket Opened": lambda _kind, _, reference: {"ticket_id": reference, "topic": "delivery"},
    "Ticket Closed": lambda _kind, _, reference: {
        "ticket_id": reference,
        "topic": "delivery",
        "solved": True,
    },
    "Payment Missed": lambda _kind, amount, _: {"amount": amount},
    "Call Completed": lambda _kind, _amount, _: {"reason": "order", "minutes": 6.0},
}


def track(
    customer_id: str, name: str, message_id: str, at_ms: int, properties: dict[str, Scalar]
) -> dict[str, Any]:
    """Compose a Segment ``track`` body."""
    return {
        "type": "track",
        "userId": customer_id,
        "event": name,
        "messageId": message_id,
        "timestamp": to_rfc3339(at_ms),
        "properties": properties,
    }
