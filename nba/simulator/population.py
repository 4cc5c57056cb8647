"""What a company would know of the simulated customers: attributes and consents.

All of it is a noisy function of the tastes underneath, so that a model can learn them from what is
seen but nobody can read them off.
"""

# ruff: noqa: PLR2004 - shares and cuts are what this world is, each used in one place

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import Scalar
from nba.simulator.tastes import CATEGORIES, CHANNELS, FloatArray, Tastes, generator

PURPOSES = ("marketing", "service", "credit")
CONSENT_CHANNELS = ("email", "push", "sms", "call_center")
"""Channels in which we start conversations, so that consent matters."""

_GRANTED = {"email": 0.75, "push": 0.85, "sms": 0.45, "call_center": 0.35}
_ZONES = ("Europe/Berlin", "Europe/London", "Europe/Lisbon")
_ZONE_SHARES = (0.84, 0.10, 0.06)
_REGIONS = ("north", "east", "south", "west", "abroad")


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """One customer as the company's systems have it."""

    customer_id: str
    attributes: dict[str, Scalar]
    consents: dict[str, dict[str, str]]
    time_zone: str | None
    locale: str

    def body(self) -> dict[str, Any]:
        """Return the body of ``PUT /v1/customers/{id}``."""
        body: dict[str, Any] = {
            "attributes": self.attributes, "consents": self.consents, "locale": self.locale,
        }  # fmt: skip
        if self.time_zone is not None:
            body["time_zone"] = self.time_zone
        return body


def draw_population(tastes: Tastes, *, seed: int, start_ms: int) -> tuple[CustomerRecord, ...]:
    """Draw the records of all customers as they stand when a simulation starts."""
    rng = generator(seed, 10)
    customers = len(tastes.factors)
    columns = _columns(tastes, rng)
    consents = rng.random((customers, len(CONSENT_CHANNELS), len(PURPOSES)))
    zones = rng.choice(len(_ZONES), customers, p=_ZONE_SHARES)
    zone_known = rng.random(customers) > 0.02
    german = rng.random(customers) < 0.6
    today = datetime.fromtimestamp(start_ms / MILLISECONDS_PER_SECOND, UTC)
    records = []
    for index in range(customers):
        attributes = {
            name: value for name, values in columns.items() if (value := values[index]) is not None
        }
        for name in ("customer_since", "loyalty_member_since"):
            if name in attributes:
                day = today - timedelta(days=float(attributes[name]))
                attributes[name] = day.date().isoformat()
        records.append(
            CustomerRecord(
                customer_id=f"c{index:06d}",
                attributes=attributes,
                consents=_consents(consents[index], push=bool(columns["push_enabled"][index])),
                time_zone=_ZONES[zones[index]] if zone_known[index] else None,
                locale="de" if german[index] else "en",
            )
        )
    return tuple(records)


def _columns(tastes: Tastes, rng: Generator) -> dict[str, list[Any]]:
    """Columns of attributes; dates as days ago, ``None`` where the company does not know."""
    customers = len(tastes.factors)

    def noisy(name: str, noise: float) -> FloatArray:
        return tastes.factor(name) + noise * rng.standard_normal(customers)

    age = np.clip(np.round(44.0 - 15.0 * noisy("youth", 0.2)), 16, 92)
    children = noisy("family", 0.3) > 0.4
    loyal = noisy("loyal", 0.3)
    tier = np.where(loyal > 1.1, "gold", np.where(loyal > -0.1, "silver", "none"))
    member = tier != "none"
    since = np.round(rng.gamma(2.0, 500.0, customers))
    has_app = noisy("digital", 0.3) > 0.2
    holder = noisy("loyal", 0.8) - 0.5 * tastes.factor("wealth") > 0.8
    wealth = noisy("wealth", 0.4)
    band = np.where(wealth > 0.6, "high", np.where(wealth > -0.8, "medium", "low"))
    named = np.log(tastes.categories) + 0.3 * rng.standard_normal((customers, len(CATEGORIES)))
    email = tastes.channels[:, CHANNELS.index("email")] + 0.3 * rng.standard_normal(customers)
    stated = np.where(tastes.factor("feminine") > 0.0, "female", "male")
    gender = np.where(rng.random(customers) < 0.03, "other", stated)
    member_days = np.round(since * rng.uniform(0.1, 1.0, customers))
    points = np.round(rng.gamma(1.5, 250.0, customers) * np.exp(0.4 * loyal))
    utilisation = np.clip(0.4 - 0.2 * wealth + 0.2 * rng.standard_normal(customers), 0.0, 1.0)
    household = 1 + rng.poisson(0.7, customers) + children * (1 + rng.poisson(0.6, customers))

    def known(values: Any, share: float) -> list[Any]:
        return _where(values, rng.random(customers) < share)

    return {
        "age": known(age, 0.96),
        "gender": known(gender, 0.95),
        "region": known(rng.choice(_REGIONS, customers, p=(0.2, 0.25, 0.2, 0.25, 0.1)), 0.98),
        "household_size": known(household.astype(float), 0.8),
        "has_children": known(children, 0.85),
        "birth_month": known(rng.integers(1, 13, customers).astype(float), 0.9),
        "customer_since": since.tolist(),
        "loyalty_tier": tier.tolist(),
        "loyalty_member_since": _where(member_days, member),
        "loyalty_points": _where(points, member),
        "preferred_category": known(np.array(CATEGORIES)[named.argmax(axis=1)], 0.85),
        "email_engagement": known(np.round(1.0 / (1.0 + np.exp(0.8 - 1.5 * email)), 3), 0.9),
        "has_app": has_app.tolist(),
        "push_enabled": (has_app & (rng.random(customers) < 0.7)).tolist(),
        "has_store_card": holder.tolist(),
        "credit_score_band": known(band, 0.9),
        "credit_utilisation": _where(np.round(utilisation, 3), holder),
        "card_terms_pending": (holder & (rng.random(customers) < 0.3)).tolist(),
        "employee": (rng.random(customers) < 0.02).tolist(),
    }


def _where(values: Any, shown: Any) -> list[Any]:
    pairs = zip(values.tolist(), shown.tolist(), strict=True)
    return [value if visible else None for value, visible in pairs]


def _consents(draws: FloatArray, *, push: bool) -> dict[str, dict[str, str]]:
    consents: dict[str, dict[str, str]] = {}
    for channel, row in zip(CONSENT_CHANNELS, draws, strict=True):
        if channel == "push" and not push:
            continue
        share = _GRANTED[channel]
        marketing = _word(row[0], share)
        words = {
            "marketing": marketing,
            "service": _word(row[1], 0.95),
            "credit": _word(row[2], 0.7 if marketing == "granted" else 0.1),
        }
        consents[channel] = {purpose: word for purpose, word in words.items() if word != "unknown"}
    return consents


def _word(draw: float, granted: float) -> str:
    if draw < granted:
        return "granted"
    return "denied" if draw < granted + 0.5 * (1.0 - granted) else "unknown"
