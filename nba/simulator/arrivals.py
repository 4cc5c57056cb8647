"""When which customer meets which placement, and what the moment is like; drawn once, up front.

Every arrival carries its own uniform draws. What happens after a decision is a function of those,
so that two policies played on one stream of arrivals meet the same luck (common random numbers),
whatever the order in which answers come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nba.domain.catalog import Catalog, Direction
from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.domain.customer import Scalar
from nba.simulator.happenings import pick_category
from nba.simulator.population import CustomerRecord
from nba.simulator.tastes import CATEGORIES, DAYPARTS, FloatArray, Tastes, generator

PLACEMENT_SHARES: Mapping[str, float] = {
    "web.home.hero": 0.20, "web.product.banner": 0.15, "app.home.card": 0.14, "app.inbox": 0.06,
    "email.body": 0.20, "push.message": 0.07, "sms.text": 0.04, "call_center.desktop": 0.06,
    "call_center.callback": 0.03, "sales.desk": 0.05,
}  # fmt: skip
"""How much of the traffic each placement sees; others see as much as the least of these."""

DRAWS = (
    "effect", "organic", "category", "delay", "organic_delay", "value", "open", "click",
    "reject", "complaint", "lapse", "event",
)  # fmt: skip
"""Names of the columns of :attr:`Arrivals.draws`."""

DEVICES = ("desktop", "mobile", "tablet")
CALL_REASONS = ("order", "return", "credit", "complaint", "advice")
_CALL_SHARES = (0.35, 0.2, 0.15, 0.15, 0.15)
_FIRST_HOURS = {"morning": 6, "afternoon": 12, "evening": 17, "night": 23}
_HOURS = {"morning": 6, "afternoon": 5, "evening": 6, "night": 7}
_DAY_MS = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND
_HOUR_MS = 3_600_000
_FULL_BASKETS = 0.25
_APP_ONLY = ("app", "push")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """``n`` moments in time order.

    ``at_ms`` ``(n,) int64``; ``customers`` and ``placements`` ``(n,) int64`` indices; ``dayparts``,
    ``devices``, ``categories`` and ``reasons`` ``(n,) int64`` codes; ``baskets`` ``(n,)`` value of
    the basket; ``draws`` ``(n, 12)`` uniforms in (0, 1). ``stream`` names the stream in every id.
    """

    stream: str
    at_ms: NDArray[np.int64]
    customers: NDArray[np.int64]
    placements: NDArray[np.int64]
    channels: tuple[str, ...]
    dayparts: NDArray[np.int64]
    devices: NDArray[np.int64]
    categories: NDArray[np.int64]
    reasons: NDArray[np.int64]
    baskets: FloatArray
    draws: FloatArray

    def __len__(self) -> int:
        return len(self.at_ms)

    def channel(self, index: int) -> str:
        """Return the channel in which an arrival happens."""
        channel: str = self.channels[int(self.placements[index])]
        return channel

    def context(self, index: int) -> dict[str, Scalar]:
        """Return what the journey engine knows of the moment: the request's ``context``."""
        moment = datetime.fromtimestamp(int(self.at_ms[index]) / MILLISECONDS_PER_SECOND, UTC)
        context: dict[str, Scalar] = {
            "daypart": DAYPARTS[self.dayparts[index]],
            "month": float(moment.month),
        }
        channel = self.channel(index)
        if channel == "web":
            context["device"] = DEVICES[self.devices[index]]
            context["page_category"] = CATEGORIES[self.categories[index]]
        elif channel in _APP_ONLY:
            context["device"] = "mobile"
        elif channel == "call_center":
            context["call_reason"] = CALL_REASONS[self.reasons[index]]
        if channel in {"web", "app"}:
            context["basket_value"] = float(self.baskets[index])
        return context

    def draw(self, index: int, name: str) -> float:
        """Return one named uniform of an arrival."""
        return float(self.draws[index, DRAWS.index(name)])


def draw_arrivals(
    catalog: Catalog,
    tastes: Tastes,
    records: tuple[CustomerRecord, ...],
    *,
    seed: int,
    stream: int,
    count: int,
    start_ms: int,
    days: float,
) -> Arrivals:
    """Draw ``count`` arrivals over ``days`` virtual days from ``start_ms`` on.

    One ``seed`` and ``stream`` always give the same arrivals; streams are independent.
    """
    rng = generator(seed, 20, stream)
    least = min(PLACEMENT_SHARES.values())
    shares = np.array([PLACEMENT_SHARES.get(p.id, least) for p in catalog.placements])
    placements = rng.choice(len(shares), count, p=shares / shares.sum())
    channels = tuple(placement.channel for placement in catalog.placements)
    customers = _customers(rng, tastes, records, channels, placements)
    outbound = np.array([p.direction is Direction.OUTBOUND for p in catalog.placements])
    dayparts = _dayparts(rng, tastes, customers, outbound[placements])
    at_ms = _moments(rng, records, customers, dayparts, start_ms=start_ms, days=days)
    order = np.argsort(at_ms, kind="stable")
    picks = rng.random(count)
    categories = [
        pick_category(tastes, int(c), float(u)) for c, u in zip(customers, picks, strict=True)
    ]
    baskets = np.where(
        rng.random(count) < _FULL_BASKETS, np.round(rng.gamma(2.0, 30.0, count), 2), 0.0
    )
    return Arrivals(
        stream=f"{seed}-{stream}",
        at_ms=at_ms[order],
        customers=customers[order],
        placements=placements[order],
        channels=channels,
        dayparts=dayparts[order],
        devices=rng.choice(len(DEVICES), count, p=(0.4, 0.5, 0.1))[order],
        categories=np.array(categories, dtype=np.int64)[order],
        reasons=rng.choice(len(CALL_REASONS), count, p=_CALL_SHARES)[order],
        baskets=baskets[order],
        draws=rng.uniform(1e-9, 1.0, (count, len(DRAWS))),
    )


def _customers(
    rng: Generator,
    tastes: Tastes,
    records: tuple[CustomerRecord, ...],
    channels: tuple[str, ...],
    placements: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Draw who arrives: the loyal more often, and only users of the app where it takes the app."""
    activity = np.exp(0.4 * tastes.factor("loyal"))
    app = np.array([bool(record.attributes["has_app"]) for record in records])
    everyone, users = activity / activity.sum(), activity * app / (activity * app).sum()
    needs_app = np.array([channel in _APP_ONLY for channel in channels])[placements]
    drawn = rng.choice(len(records), len(placements), p=everyone)
    drawn_users = rng.choice(len(records), len(placements), p=users)
    return np.where(needs_app, drawn_users, drawn)


def _dayparts(
    rng: Generator, tastes: Tastes, customers: NDArray[np.int64], outbound: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Draw the part of the customer's day: their habit inbound, mostly working hours outbound."""
    own = tastes.dayparts[customers].cumsum(axis=1)
    ours = np.array([0.4, 0.8, 0.95, 1.0])
    steps = np.where(outbound[:, None], ours, own)
    drawn: NDArray[np.int64] = (rng.random(len(customers))[:, None] > steps).sum(axis=1)
    return np.minimum(drawn, len(DAYPARTS) - 1)


def _moments(
    rng: Generator,
    records: tuple[CustomerRecord, ...],
    customers: NDArray[np.int64],
    dayparts: NDArray[np.int64],
    *,
    start_ms: int,
    days: float,
) -> NDArray[np.int64]:
    """Turn parts of the customer's day into moments; the zone's offset is that of the start."""
    first = np.array([_FIRST_HOURS[name] for name in DAYPARTS])[dayparts]
    length = np.array([_HOURS[name] for name in DAYPARTS])[dayparts]
    hours = first + length * rng.random(len(customers))
    offsets = np.array([_offset_hours(record.time_zone, start_ms) for record in records])
    days_in = np.floor(rng.random(len(customers)) * days)
    midnight = start_ms - start_ms % _DAY_MS
    moments = midnight + days_in * _DAY_MS + (hours - offsets[customers]) * _HOUR_MS
    span = int(days * _DAY_MS)
    inside: NDArray[np.int64] = start_ms + (moments.astype(np.int64) - start_ms) % span
    return inside


def _offset_hours(time_zone: str | None, at_ms: int) -> float:
    zone = ZoneInfo(time_zone or "Europe/Berlin")
    moment = datetime.fromtimestamp(at_ms / MILLISECONDS_PER_SECOND, UTC).astimezone(zone)
    offset = moment.utcoffset()
    return 0.0 if offset is None else offset.total_seconds() / 3_600
