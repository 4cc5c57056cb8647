"""What the simulated customers are like underneath, and what that makes them respond to.

Nine personal factors, each about standard normal over the population. Nobody outside the simulator
sees them: attributes and events are noisy functions of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_SHARE_OF_WOMEN = 0.55

FACTORS = (
    "feminine", "youth", "family", "home", "fashion", "thrift", "digital", "wealth", "loyal",
)  # fmt: skip
"""Names of the columns of :attr:`Tastes.factors`."""

CATEGORIES = ("fashion", "home", "kids")
"""What the shop sells, as its events name it."""

CHANNELS = ("email", "push", "sms", "web", "app", "call_center", "sales")
DAYPARTS = ("morning", "afternoon", "evening", "night")

PRODUCT_LOADINGS: Mapping[str, Mapping[str, float]] = {
    "fashion/women": {"feminine": 1.0, "fashion": 0.8},
    "fashion/men": {"feminine": -1.0, "fashion": 0.6},
    "fashion/kids": {"family": 1.2},
    "fashion/shoes": {"fashion": 0.9, "youth": 0.5},
    "home/kitchen": {"home": 0.9, "family": 0.3},
    "home/bedroom": {"home": 0.7, "feminine": 0.4},
    "home/garden": {"home": 0.8, "youth": -0.8},
    "home/furniture": {"home": 0.8, "wealth": 0.7},
    "home/lighting": {"home": 0.6, "youth": 0.3},
    "loyalty/membership": {"loyal": 0.9},
    "loyalty/points": {"loyal": 0.8, "thrift": 0.5},
    "credit/card": {"wealth": -0.5, "youth": 0.5, "loyal": 0.4},
    "credit/payments": {"wealth": -0.9},
    "retention/voucher": {"thrift": 1.0, "loyal": -0.3},
    "retention/basket": {"digital": 0.5, "fashion": 0.4},
    "app": {"digital": 1.0, "youth": 0.4},
    "advice/style": {"fashion": 0.8, "wealth": 0.7, "digital": -0.3},
    "advice/planning": {"home": 0.9, "wealth": 0.6, "digital": -0.3},
    "service": {"loyal": 0.5},
}
"""How strongly a product line speaks to each factor, by the longest matching taxonomy path."""

CHANNEL_LOADINGS: Mapping[str, Mapping[str, float]] = {
    "email": {"youth": -0.3},
    "push": {"digital": 0.4},
    "sms": {"youth": 0.3},
    "web": {"digital": 0.2},
    "app": {"digital": 0.4},
    "call_center": {"digital": -0.4, "youth": -0.3},
    "sales": {"wealth": 0.3},
}
"""How a channel suits each factor."""


@dataclass(frozen=True, slots=True)
class Tastes:
    """Latent traits of ``n`` customers.

    ``factors`` is ``(n, 9)``; ``channels`` ``(n, 7)`` logit offsets by channel; ``dayparts``
    ``(n, 4)`` shares of activity over the day; ``categories`` ``(n, 3)`` shares of what they buy
    by themselves.
    """

    factors: FloatArray
    channels: FloatArray
    dayparts: FloatArray
    categories: FloatArray

    def factor(self, name: str) -> FloatArray:
        """Return one factor of every customer, shape ``(n,)``."""
        column: FloatArray = self.factors[:, FACTORS.index(name)]
        return column


def generator(seed: int, *stream: int) -> Generator:
    """Return the generator of one numbered stream of a world; streams never share numbers."""
    return Generator(PCG64(SeedSequence([seed, *stream])))


def loadings(weights: Mapping[str, float]) -> FloatArray:
    """Return a vector over the factors, shape ``(9,)``."""
    return np.array([weights.get(name, 0.0) for name in FACTORS])


def draw_tastes(seed: int, customers: int) -> Tastes:
    """Draw the customers of a world."""
    rng = generator(seed, 1)
    factors = rng.standard_normal((customers, len(FACTORS)))
    column = FACTORS.index
    factors[:, column("feminine")] = _two_sided(rng, customers)
    factors[:, column("digital")] = _mix(factors, "digital", youth=0.5)
    factors[:, column("family")] = _mix(factors, "family", youth=0.2)
    factors[:, column("wealth")] = _mix(factors, "wealth", youth=-0.4)
    factors[:, column("thrift")] = _mix(factors, "thrift", wealth=-0.5)
    channel_matrix = np.array([loadings(CHANNEL_LOADINGS[name]) for name in CHANNELS])
    channels = factors @ channel_matrix.T + 0.25 * rng.standard_normal((customers, len(CHANNELS)))
    youth = factors[:, [column("youth")]]
    lean = np.array([[-0.3, 0.0, 0.2, 0.3]]) * youth + np.array([[0.2, 0.4, 0.6, -1.4]])
    dayparts = softmax(lean + 0.7 * rng.standard_normal((customers, len(DAYPARTS))))
    category_tastes = np.column_stack(
        [
            0.9 * factors[:, column("fashion")] + 0.4 * factors[:, column("feminine")],
            1.0 * factors[:, column("home")],
            1.2 * factors[:, column("family")] - 0.5,
        ]
    )
    return Tastes(factors, channels, dayparts, softmax(category_tastes))


def _two_sided(rng: Generator, customers: int) -> FloatArray:
    side = np.where(rng.random(customers) < _SHARE_OF_WOMEN, 0.9, -1.1)
    return side + 0.4 * rng.standard_normal(customers)


def _mix(factors: FloatArray, name: str, **shares: float) -> FloatArray:
    own = factors[:, FACTORS.index(name)]
    borrowed = sum(share * factors[:, FACTORS.index(other)] for other, share in shares.items())
    rest = np.sqrt(1.0 - sum(share**2 for share in shares.values()))
    mixed: FloatArray = rest * own + borrowed
    return mixed


def softmax(logits: FloatArray) -> FloatArray:
    """Return shares along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return shares
