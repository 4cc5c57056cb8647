"""The small shop, and ways to decide in it without a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shop import NOW_MS, Shop, ask, write_project

from nba.decision.plan import Plan
from nba.decision.situations import DecisionInputs
from nba.domain.history import EMPTY_HISTORY, ContactHistory, pack_history
from nba.domain.ids import hash32, new_decision_id


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[..., Shop]:
    """Write a project with changes and open the shop."""

    def make(**changes: tuple[str, str]) -> Shop:
        return Shop(write_project(tmp_path / "project", **changes))

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """Open the shop as it is written."""
    return make_shop()


@pytest.fixture
def inputs() -> Callable[..., DecisionInputs]:
    """Build what a decision looks at; by default an adult of whom all promotions are allowed."""

    def build(
        plan: Plan,
        *placements: str | tuple[str, int],
        seed: int = 1,
        customer_id: str = "anna",
        age: float = 30.0,
        contacts: list[tuple[float, str, str]] | None = None,
        **request: Any,
    ) -> DecisionInputs:
        view = plan.features.read(None, at_ms=NOW_MS, context=request.get("context", {}))
        features = view.features.copy()
        features[plan.features.names.index("age")] = age
        return DecisionInputs(
            decision_id=new_decision_id(0, NOW_MS, seed),
            at_ms=NOW_MS,
            seed=seed,
            request=ask(customer_id, *placements, **request),
            features=features.astype(np.float32),
            consents={},
            time_zone=None,
            locale=None,
            history=_history(contacts or []),
        )

    return build


def _history(contacts: list[tuple[float, str, str]]) -> ContactHistory:
    """Pack contacts given as (hours ago, action, placement)."""
    rows = [
        (round(NOW_MS / 1_000 - hours * 3_600), hash32(action), hash32(placement))
        for hours, action, placement in contacts
    ]
    return replace(pack_history(rows)) if rows else EMPTY_HISTORY
