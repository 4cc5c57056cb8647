"""What becomes of a decision: outcomes and events at their delayed times.

Everything is decided by the arrival's own uniform draws, so that policies meet the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from nba.domain.catalog import Action, Direction, MessageClass
from nba.domain.clock import to_rfc3339
from nba.domain.ids import ActionId
from nba.simulator.arrivals import Arrivals
from nba.simulator.happenings import pick_category, properties_of, track
from nba.simulator.tastes import CHANNELS
from nba.simulator.truth import Exposure
from nba.simulator.world import World

VALUE_SPREAD = 0.35
"""Standard deviation of the logarithm of a conversion's value around its action's value."""

INBOUND_CONTACT = 0.25
"""How much a contact that the customer started tires, against one that we started."""

_HOUR_MS = 3_600_000
_DELAY_HOURS, _DELAY_SPREAD = 8.0, 1.3
_NORMAL = NormalDist()
_REJECTING = {"call_center": 0.25, "sales": 0.2}
_COMPLAINT_CHANCE, _LAPSE_CHANCE = 0.0015, 0.004
_CLICK_FACTOR, _MOST_CLICKS = 3.0, 0.4


@dataclass(slots=True)
class Aftermath:
    """Outcome and event bodies with the moment (epoch ms) each becomes known.

    ``value`` is what was realised in currency, cost not deducted.
    """

    accepted: bool = False
    value: float = 0.0
    lapsed: bool = False
    outcomes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def aftermath(
    world: World,
    arrivals: Arrivals,
    index: int,
    *,
    decision_id: str,
    action_id: str,
    content: str | None,
    effect: float,
    at_ms: int,
    exposure: Exposure,
) -> Aftermath:
    """Play what follows a decision; ``effect`` is the chosen action's own chance of success."""
    player = _Player(
        world,
        arrivals,
        index,
        decision_id=decision_id,
        action=world.actions[ActionId(action_id)],
        at_ms=at_ms,
    )
    return player.play(content, effect, exposure)


class _Player:
    def __init__(
        self,
        world: World,
        arrivals: Arrivals,
        index: int,
        *,
        decision_id: str,
        action: Action,
        at_ms: int,
    ) -> None:
        self.world = world
        self.arrivals = arrivals
        self.index = index
        self.customer = int(arrivals.customers[index])
        self.decision_id = decision_id
        self.action = action
        self.at_ms = at_ms
        self.after = Aftermath()

    def play(self, content: str | None, effect: float, exposure: Exposure) -> Aftermath:
        convert_at_ms = self._organic()
        if not self.action.is_no_action:
            effect = self.world.truth.content_effect(effect, content)
            if self._draw("effect") < effect:
                asked_ms = self.at_ms + _delay_ms(self._draw("delay"))
                convert_at_ms = min(asked_ms, convert_at_ms or asked_ms)
                if (category := self._category_of_action()) >= 0:
                    self._order(asked_ms, category, "asked")
        if convert_at_ms is not None:
            self._accept(convert_at_ms)
        if not self.action.is_no_action:
            self._seen(effect)
            self._harm(exposure)
        return self.after

    def _draw(self, name: str) -> float:
        return self.arrivals.draw(self.index, name)

    def _category_of_action(self) -> int:
        truth = self.world.truth
        return int(truth.category[truth.action_index[self.action.id]])

    def _organic(self) -> int | None:
        """Play a purchase nobody asked for; return its time where the decision is credited."""
        if self._draw("organic") >= self.world.truth.organic(self.customer):
            return None
        at_ms = self.at_ms + _delay_ms(self._draw("organic_delay"))
        category = pick_category(self.world.tastes, self.customer, self._draw("category"))
        self._order(at_ms, category, "organic")
        credited = self.action.is_no_action or self._category_of_action() == category
        return at_ms if credited else None

    def _accept(self, at_ms: int) -> None:
        self.after.accepted = True
        normal = _NORMAL.inv_cdf(self._draw("value"))
        spread = np.exp(VALUE_SPREAD * normal - 0.5 * VALUE_SPREAD**2)
        self.after.value = round(self.action.value * float(spread), 2)
        self._outcome(self.action.desired_outcome, at_ms, value=self.after.value)

    def _seen(self, effect: float) -> None:
        channel = self.arrivals.channel(self.index)
        placement = self.world.placement(int(self.arrivals.placements[self.index]))
        desired = self.action.desired_outcome
        if placement.direction is Direction.OUTBOUND:
            self._outcome("delivered", self.at_ms + 5_000)
        shown_ms = self.at_ms + 2_000
        if channel == "email":
            liking = self.world.tastes.channels[self.customer, CHANNELS.index("email")]
            opened = self._draw("open") < 1.0 / (1.0 + np.exp(0.6 - 1.5 * liking))
            if not opened and not self.after.accepted:
                return
            shown_ms = self.at_ms + _HOUR_MS
            self._event("Email Opened", shown_ms, 0, self.decision_id)
        self._outcome("impression", shown_ms)
        if self._draw("click") < min(_CLICK_FACTOR * effect, _MOST_CLICKS) and desired != "click":
            self._outcome("click", shown_ms + 10_000)
        elif (
            not self.after.accepted
            and desired != "reject"
            and self._draw("reject") < _REJECTING.get(channel, 0.01)
        ):
            self._outcome("reject", shown_ms + 20_000)

    def _harm(self, exposure: Exposure) -> None:
        """Play complaints and customers driven away, both likelier the more they were contacted."""
        placement = self.world.placement(int(self.arrivals.placements[self.index]))
        if (
            placement.direction is Direction.INBOUND
            or self.action.message_class is not MessageClass.PROMOTIONAL
        ):
            return
        pressure = 1.0 + exposure.contacts
        if self._draw("complaint") < _COMPLAINT_CHANCE * pressure:
            self._event("Complaint Opened", self.at_ms + _HOUR_MS, 0, self.decision_id)
        self.after.lapsed = self._draw("lapse") < _LAPSE_CHANCE * pressure

    def _order(self, at_ms: int, category: int, why: str) -> None:
        normal = _NORMAL.inv_cdf(self._draw("value"))
        revenue = round(60.0 * float(np.exp(VALUE_SPREAD * normal)), 2)
        reference = f"{self.arrivals.stream}-{self.index}-{why}"
        body = properties_of("Order Completed", category, revenue, reference)
        self._track("Order Completed", at_ms, f"order-{reference}", body)

    def _event(self, name: str, at_ms: int, category: int, reference: str) -> None:
        body = properties_of(name, category, 0.0, reference)
        self._track(name, at_ms, f"{name}-{self.arrivals.stream}-{self.index}", body)

    def _track(self, name: str, at_ms: int, message_id: str, properties: dict[str, Any]) -> None:
        customer_id = self.world.records[self.customer].customer_id
        self.after.events.append((at_ms, track(customer_id, name, message_id, at_ms, properties)))

    def _outcome(self, kind: str, at_ms: int, *, value: float | None = None) -> None:
        body: dict[str, Any] = {
            "outcome_id": f"{self.arrivals.stream}-{self.index}-{kind}",
            "decision_id": self.decision_id,
            "kind": kind,
            "at": to_rfc3339(at_ms),
            "choice": 0,
        }
        if value is not None:
            body["value"] = value
        self.after.outcomes.append((at_ms, body))


def _delay_ms(draw: float) -> int:
    """Turn a uniform into a lognormal delay: hours for most, weeks for a few."""
    hours = _DELAY_HOURS * np.exp(_DELAY_SPREAD * _NORMAL.inv_cdf(draw))
    return int(float(hours) * _HOUR_MS)
