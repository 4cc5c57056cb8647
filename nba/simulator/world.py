"""A world: one seed, a catalog, and everything that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nba.domain.catalog import Action, Catalog, Placement
from nba.domain.ids import ActionId
from nba.simulator.arrivals import Arrivals, draw_arrivals
from nba.simulator.happenings import past_events
from nba.simulator.population import CustomerRecord, draw_population
from nba.simulator.tastes import Tastes, draw_tastes
from nba.simulator.truth import Truth


@dataclass(frozen=True, slots=True)
class World:
    """Customers with known truth; equal seeds and catalogs make equal worlds.

    ``start_ms`` is when the simulation starts, in milliseconds since the epoch.
    """

    seed: int
    start_ms: int
    catalog: Catalog
    tastes: Tastes
    records: tuple[CustomerRecord, ...]
    truth: Truth
    actions: dict[ActionId, Action]
    customer_index: dict[str, int]

    def arrivals(self, *, stream: int, count: int, start_ms: int, days: float) -> Arrivals:
        """Draw a stream of arrivals; streams with different numbers are independent."""
        return draw_arrivals(
            self.catalog,
            self.tastes,
            self.records,
            seed=self.seed,
            stream=stream,
            count=count,
            start_ms=start_ms,
            days=days,
        )

    def past_events(self) -> Iterator[dict[str, Any]]:
        """Yield what customers did before the start, as ``track`` bodies."""
        return past_events(self.tastes, self.records, seed=self.seed, start_ms=self.start_ms)

    def placement(self, index: int) -> Placement:
        """Return a placement by its index in the catalog."""
        return self.catalog.placements[index]


def build_world(catalog: Catalog, *, seed: int, start_ms: int, customers: int = 5_000) -> World:
    """Draw a world for the reference retailer's catalog."""
    tastes = draw_tastes(seed, customers)
    records = draw_population(tastes, seed=seed, start_ms=start_ms)
    return World(
        seed=seed,
        start_ms=start_ms,
        catalog=catalog,
        tastes=tastes,
        records=records,
        truth=Truth(catalog, tastes, seed=seed),
        actions={action.id: action for action in catalog.actions},
        customer_index={record.customer_id: index for index, record in enumerate(records)},
    )
