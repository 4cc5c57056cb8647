"""The known truth: what every action is worth for every customer, here and now.

The chance of an action's desired outcome is ::

    effect  = sigmoid(base + taste + channel + placement + content + context + season - fatigue)
    organic = sigmoid(base + loyalty), the chance of a purchase without being asked
    P       = 1 - (1 - effect) * (1 - organic * share of the action's category)

where the organic part counts only for actions that ask for a purchase: a customer who buys anyway
is credited to whatever was shown last, as it is in real ledgers. ``no_action`` has ``P = organic``.
Expected value is ``P * value - cost``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nba.domain.catalog import Action, Catalog, MessageClass
from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.domain.customer import Scalar
from nba.domain.ids import ActionId, ContentId, PlacementId, hash32
from nba.simulator.effects import (
    BASKET_EFFECT,
    CONTEXT_EFFECTS,
    bought_category,
    for_product,
    product_line,
)
from nba.simulator.tastes import (
    CHANNELS,
    FACTORS,
    PRODUCT_LOADINGS,
    FloatArray,
    Tastes,
    generator,
    loadings,
)

TASTE_GAIN = 0.5
"""Standard deviation, in logits, of what the personal factors make of an action."""

IDIOSYNCRATIC_GAIN = 0.1
"""Standard deviation, in logits, of what no feature can tell."""

FATIGUE_PER_CONTACT = 0.15
"""Logits lost for each contact in the last seven days."""

LAPSE_PENALTY = 0.6
"""Logits lost for good each time the customer was driven away."""

MAX_CONTACTS_FELT = 8
_LOWEST_RATE, _HIGHEST_RATE = 0.006, 0.15

_DAY_MS = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a customer was put through.

    ``contacts`` in the last seven days, inbound ones counting a quarter; ``lapses`` counts how
    often contacts drove the customer away for good.
    """

    contacts: float = 0.0
    lapses: int = 0


UNEXPOSED = Exposure()


class Truth:
    """Expected values by array arithmetic; one row of all actions at a time.

    ``action_ids`` gives the order of every ``(n_actions,)`` array returned.
    """

    def __init__(self, catalog: Catalog, tastes: Tastes, *, seed: int) -> None:
        actions = catalog.actions
        self.action_ids = tuple(action.id for action in actions)
        self.action_index = {action.id: index for index, action in enumerate(actions)}
        self.placement_index = {
            placement.id: index for index, placement in enumerate(catalog.placements)
        }
        self.no_action = next(i for i, action in enumerate(actions) if action.is_no_action)
        self.values = np.array([action.value for action in actions])
        self.costs = np.array([action.cost for action in actions])
        self.category = np.array([bought_category(action) for action in actions])
        self._tastes = tastes
        rng = generator(seed, 2)
        self._draw_actions(actions, tastes, seed)
        self._placements = self._draw_placements(catalog, seed)
        self._placement_channel = np.array(
            [CHANNELS.index(placement.channel) for placement in catalog.placements]
        )
        self._contents = {
            content.id: 0.2 * float(generator(seed, 4, hash32(content.id)).standard_normal())
            for content in catalog.contents
        }
        self._context = {
            key: np.array([for_product(effects, action, 0.0) for action in actions])
            for key, effects in CONTEXT_EFFECTS.items()
        }
        self._basket = np.array([for_product(BASKET_EFFECT, action, 0.0) for action in actions])
        lines = sorted({product_line(action) for action in actions})
        self._line = np.array([lines.index(product_line(action)) for action in actions])
        self._periods_days = rng.uniform(60.0, 140.0, len(lines))
        self._phases = rng.uniform(0.0, 1.0, len(lines))
        self._heights = rng.uniform(0.08, 0.2, len(lines))

    def _draw_actions(self, actions: tuple[Action, ...], tastes: Tastes, seed: int) -> None:
        customers = len(tastes.factors)
        match = np.empty((customers, len(actions)))
        intercepts = np.empty(len(actions))
        for index, action in enumerate(actions):
            rng = generator(seed, 3, hash32(action.id))
            weights = loadings(
                for_product(PRODUCT_LOADINGS, action, {})
            ) + 0.05 * rng.standard_normal(len(FACTORS))
            drawn = tastes.factors @ weights
            drawn = TASTE_GAIN * (drawn - drawn.mean()) / drawn.std()
            match[:, index] = drawn + IDIOSYNCRATIC_GAIN * rng.standard_normal(customers)
            believed = action.base_rate * np.exp(0.1 * rng.standard_normal())
            rate = float(np.clip(believed, _LOWEST_RATE, _HIGHEST_RATE))
            intercepts[index] = _intercept(match[:, index], rate)
        organic_rng = generator(seed, 5)
        loyal = tastes.factor("loyal")
        organic_taste = 0.6 * loyal + 0.2 * organic_rng.standard_normal(customers)
        rate = actions[self.no_action].base_rate
        self._organic = _sigmoid(_intercept(organic_taste, rate) + organic_taste)
        promotional = [action.message_class is MessageClass.PROMOTIONAL for action in actions]
        self._tiring = np.where(promotional, 1.0, 0.3)
        self._match = match + intercepts
        category_share = np.zeros((customers, len(actions)))
        buying = self.category >= 0
        category_share[:, buying] = tastes.categories[:, self.category[buying]]
        self._organic_share = category_share

    def _draw_placements(self, catalog: Catalog, seed: int) -> FloatArray:
        rows = []
        for placement in catalog.placements:
            rng = generator(seed, 6, hash32(placement.id))
            attention = 0.7 * np.log(placement.context_weight)
            rows.append(attention + 0.15 * rng.standard_normal(len(catalog.actions)))
        return np.array(rows)

    def organic(self, customer: int) -> float:
        """Return the chance that a customer buys without being asked."""
        return float(self._organic[customer])

    def effects(
        self,
        customer: int,
        placement: int,
        *,
        at_ms: int,
        context: Mapping[str, Scalar],
        exposure: Exposure,
    ) -> FloatArray:
        """Return the chance that each action itself brings its desired outcome, ``(n_actions,)``.

        ``no_action`` has none: what it is worth is organic.
        """
        logits = self._match[customer] + self._placements[placement]
        logits += self._tastes.channels[customer, self._placement_channel[placement]]
        season = self._heights * np.sin(
            2.0 * np.pi * (at_ms / _DAY_MS / self._periods_days + self._phases)
        )
        logits += season[self._line]
        for name, value in context.items():
            if name == "basket_value":
                if value:
                    logits += self._basket
            elif (effect := self._context.get((name, str(value)))) is not None:
                logits += effect
        felt = min(exposure.contacts, MAX_CONTACTS_FELT)
        logits -= FATIGUE_PER_CONTACT * felt * self._tiring + LAPSE_PENALTY * exposure.lapses
        effects = _sigmoid(logits)
        effects[self.no_action] = 0.0
        return effects

    def content_effect(self, effect: float, content: str | None) -> float:
        """Return an action's effect when shown with a content; ``None`` is the neutral one."""
        offset = 0.0 if content is None else self._contents.get(ContentId(content), 0.0)
        return effect / (effect + (1.0 - effect) * np.exp(-offset)) if effect > 0.0 else 0.0

    def probabilities(
        self,
        customer: int,
        placement: int,
        *,
        at_ms: int,
        context: Mapping[str, Scalar],
        exposure: Exposure = UNEXPOSED,
    ) -> FloatArray:
        """Return P(desired outcome) of each action with neutral content, ``(n_actions,)``."""
        effects = self.effects(customer, placement, at_ms=at_ms, context=context, exposure=exposure)
        return self._with_organic(customer, effects)

    def _with_organic(self, customer: int, effects: FloatArray) -> FloatArray:
        organic = self._organic[customer]
        either: FloatArray = 1.0 - (1.0 - effects) * (1.0 - organic * self._organic_share[customer])
        either[self.no_action] = organic
        return either

    def expected_values(
        self,
        customer: int,
        placement: int,
        *,
        at_ms: int,
        context: Mapping[str, Scalar],
        exposure: Exposure = UNEXPOSED,
    ) -> FloatArray:
        """Return the true expected value of each action in currency, ``(n_actions,)``."""
        effects = self.effects(customer, placement, at_ms=at_ms, context=context, exposure=exposure)
        return self.values_of(customer, effects)

    def values_of(self, customer: int, effects: FloatArray) -> FloatArray:
        """Return the expected value of each action given :meth:`effects`, ``(n_actions,)``."""
        expected: FloatArray = self._with_organic(customer, effects) * self.values - self.costs
        return expected

    def expected_value(
        self,
        customer: int,
        action_id: str,
        *,
        placement: str,
        content: str | None,
        at_ms: int,
        context: Mapping[str, Scalar],
        exposure: Exposure = UNEXPOSED,
    ) -> float:
        """Return the true expected value of one action shown with one content, in currency."""
        action = self.action_index[ActionId(action_id)]
        effects = self.effects(
            customer,
            self.placement_index[PlacementId(placement)],
            at_ms=at_ms,
            context=context,
            exposure=exposure,
        )
        effects[action] = self.content_effect(float(effects[action]), content)
        chance = self._with_organic(customer, effects)[action]
        return float(chance * self.values[action] - self.costs[action])


def _sigmoid(logits: FloatArray) -> FloatArray:
    chances: FloatArray = 1.0 / (1.0 + np.exp(-logits))
    return chances


def _intercept(offsets: FloatArray, rate: float) -> float:
    """Solve for the intercept at which the mean chance over ``offsets`` is ``rate``."""
    low, high = -15.0, 5.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if float(_sigmoid(middle + offsets).mean()) < rate:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
