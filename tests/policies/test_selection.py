"""Selectors as masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.catalog import Catalog
from nba.domain.policy import Selector
from nba.policies.order import CONCERNS, concerns
from nba.policies.selection import concerned, select_actions, select_placements


def _some(*words: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), max_size=2, unique=True).map(tuple)


SELECTORS = st.builds(
    Selector,
    actions=_some("card", "shirt", "survey", "no_action"),
    terms=_some("product:credit", "product:fashion"),
    channels=_some("email", "sms", "fax"),
    placements=_some("email.body", "web.hero"),
    directions=_some("inbound", "outbound"),
    message_classes=_some("promotional", "mandatory"),
    except_actions=_some("card", "notice"),
    except_terms=_some("product:credit/card"),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(selector=SELECTORS)
def test_masks_together_are_what_the_selector_matches(catalog: Catalog, selector: Selector) -> None:
    actions = select_actions(selector, catalog.actions)
    placements = select_placements(selector, catalog.placements)
    expected = [
        [selector.matches(action, placement) for placement in catalog.placements]
        for action in catalog.actions
    ]
    assert np.outer(actions, placements).tolist() == expected


def test_no_action_is_never_selected(catalog: Catalog) -> None:
    assert select_actions(Selector(), catalog.actions).tolist() == [False, True, True, True, True]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(selector=SELECTORS, kind=st.sampled_from(sorted(CONCERNS)), as_list=st.booleans())
def test_what_a_kind_concerns_is_the_same_for_all_at_once(
    catalog: Catalog, selector: Selector, kind: str, *, as_list: bool
) -> None:
    actions = list(catalog.actions) if as_list else catalog.actions
    assert concerned(kind, selector, actions).tolist() == [
        concerns(kind, selector, action) for action in actions
    ]
