"""What the moment does to an action's appeal, and how products are looked up in such tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nba.domain.catalog import Action
from nba.simulator.tastes import CATEGORIES

T = TypeVar("T")

CONTEXT_EFFECTS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("page_category", "fashion"): {
        "fashion/women": 0.8, "fashion/men": 0.8, "fashion/shoes": 0.8, "advice/style": 0.8,
        "fashion/kids": -0.4,
    },
    ("page_category", "home"): {"home": 0.9, "advice/planning": 0.9, "fashion": -0.4},
    ("page_category", "kids"): {"fashion/kids": 1.15, "home": -0.25},
    ("device", "mobile"): {
        "home/furniture": -0.5, "advice": -0.4, "credit": -0.25, "app": 0.65,
        "fashion/shoes": 0.25,
    },
    ("device", "desktop"): {"home/furniture": 0.25, "app": -0.5},
    ("daypart", "morning"): {"home/garden": 0.25, "retention": 0.15, "advice": -0.15},
    ("daypart", "evening"): {"fashion": 0.25, "home/bedroom": 0.25, "credit": -0.25},
    ("daypart", "night"): {"fashion": -0.25, "home": -0.4, "credit": -0.5, "advice": -0.65},
    ("call_reason", "order"): {"loyalty": 0.5, "retention": 0.4},
    ("call_reason", "return"): {"service/returns": 1.15, "fashion": -0.5, "home": -0.5},
    ("call_reason", "credit"): {"credit": 1.15, "fashion": -0.65, "home": -0.65},
    ("call_reason", "complaint"): {
        "service": 1.15, "fashion": -1.3, "home": -1.3, "credit": -1.55, "loyalty": -0.8,
        "advice": -1.3, "app": -1.05,
    },
    ("call_reason", "advice"): {"advice": 1.15, "home": 0.25, "fashion": 0.25},
}  # fmt: skip
"""Logits that a word of the request's context adds for a product and everything below it."""

BASKET_EFFECT: Mapping[str, float] = {"retention/basket": 0.8, "app": -0.3, "advice": -0.3}
"""Logits added while there is something in the basket."""


def product_line(action: Action) -> str:
    """Return an action's product term cut to two levels, ``""`` where it has none."""
    return action.term_in("product", depth=2) or ""


def for_product(table: Mapping[str, T], action: Action, default: T) -> T:
    """Return the entry for an action's product line, or for its branch, or the default."""
    line = product_line(action)
    return table.get(line, table.get(line.partition("/")[0], default))


def bought_category(action: Action) -> int:
    """Return the index in ``CATEGORIES`` of what an action asks to buy; -1 where it sells nothing.

    An action that asks for a purchase of no particular category counts for the one of its
    taxonomy branch only.
    """
    if action.term_in("desired_action", depth=1) != "purchase":
        return -1
    line = product_line(action)
    if line == "fashion/kids":
        return CATEGORIES.index("kids")
    branch = line.partition("/")[0]
    return CATEGORIES.index(branch) if branch in CATEGORIES else -1
