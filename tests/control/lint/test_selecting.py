"""Masks of selectors, against the selector itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nba.control.lint.selecting import Words
from nba.domain.policy import Selector
from nba.policies.kinds import KINDS
from nba.policies.order import concerns

_WORDS = {
    "actions": ("card", "coat", "shirt", "parcel", "unknown"),
    "terms": ("product:credit", "product:credit/card", "product:fashion", "product:cred"),
    "channels": ("email", "web", "desk", "pigeon"),
    "placements": ("email.body", "web.hero", "web.rules"),
    "directions": ("inbound", "outbound"),
    "message_classes": ("promotional", "transactional", "mandatory"),
    "except_actions": ("card", "coat"),
    "except_terms": ("product:credit", "product:service"),
}
_selectors = st.builds(
    Selector,
    **{
        key: st.lists(st.sampled_from(words), max_size=2, unique=True).map(tuple)
        for key, words in _WORDS.items()
    },
)


@settings(max_examples=100, deadline=None)
@given(selector=_selectors, kind=st.sampled_from(sorted(KINDS)))
def test_masks_select_what_the_selector_matches(base, selector, kind) -> None:
    actions = [action for action in base.catalog.actions if not action.is_no_action]
    words = Words(actions, base.catalog.placements)
    selected, concerned = words.select(selector).pairs, words.concerned(kind, selector).pairs
    for row, action in enumerate(actions):
        for column, placement in enumerate(base.catalog.placements):
            matches = selector.matches(action, placement)
            assert selected[row, column] == matches
            assert concerned[row, column] == (matches and concerns(kind, selector, action))


def test_one_selection_covers_another_that_selects_less(base) -> None:
    actions = [action for action in base.catalog.actions if not action.is_no_action]
    words = Words(actions, base.catalog.placements)
    everything, fashion = (
        words.select(Selector()),
        words.select(Selector(terms=("product:fashion",))),
    )
    assert everything.covers(fashion)
    assert not fashion.covers(everything)
    assert words.select(Selector(channels=("pigeon",))).empty
