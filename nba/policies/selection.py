"""Selectors as masks: the part about actions, about contents, and about placements.

A selector is a conjunction of all, so something is selected where all masks are true; that takes
as many matches as there are actions, contents and placements together, not one for every pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Content, Direction, Placement
from nba.domain.ids import ActionId, PlacementId
from nba.domain.policy import Selector

_ANY_ACTION = Action(id=ActionId(""), name="")
_ANY_PLACEMENT = Placement(id=PlacementId(""), channel="", direction=Direction.INBOUND)


def select_actions(selector: Selector, actions: Sequence[Action]) -> NDArray[np.bool_]:
    """Return which actions are selected wherever the placement is, ``(n_actions,)``."""
    part = replace(selector, channels=(), placements=(), directions=())
    return np.array([part.matches(action, _ANY_PLACEMENT) for action in actions], dtype=np.bool_)


def select_contents(selector: Selector, contents: Sequence[Content]) -> NDArray[np.bool_]:
    """Return which contents are selected whatever their action is, ``(n_contents,)``."""
    return np.array([selector.matches_content(content) for content in contents], dtype=np.bool_)


def select_placements(selector: Selector, placements: Sequence[Placement]) -> NDArray[np.bool_]:
    """Return which placements are selected whatever the action is, ``(n_placements,)``."""
    part = Selector(
        channels=selector.channels,
        placements=selector.placements,
        directions=selector.directions,
    )
    return np.array([part.matches(_ANY_ACTION, place) for place in placements], dtype=np.bool_)
