"""The dates of actions and contents, and contents out of date."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nba.domain.catalog import Action, Catalog, Content, Direction, Placement
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import NO_ACTION, ActionId, ContentId, PlacementId
from nba.domain.taxonomy import Taxonomy
from nba.domain.validity import bounds_ms, moment_ms, validity_faults
from nba.policies import Candidates, GuardStack, Situation, compile_guards

WEB = Placement(id=PlacementId("web"), channel="web", direction=Direction.INBOUND)
NOTHING = Action(id=NO_ACTION, name="Nothing")
DAY_MS = 86_400_000


def catalog(*actions: Action) -> Catalog:
    return Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy(),
        actions=actions,
        contents=(),
        placements=(WEB,),
    )


def at(at_ms: int) -> Situation:
    return Situation(
        customer_id="c",
        at_ms=at_ms,
        symbols=np.zeros(0),
        consents={},
        time_zone=None,
        history=EMPTY_HISTORY,
        answer_from=0,
    )


def codes(stack: GuardStack, at_ms: int) -> list[str]:
    verdicts = stack.evaluate(at(at_ms))
    explained = stack.explain(at(at_ms))
    found = []
    for row, dropped in enumerate(verdicts.dropped_by.tolist()):
        found.append("" if dropped < 0 else stack.reason(explained[row][0]).code)
    return found


def test_each_action_has_dates_of_its_own_and_saying_nothing_has_none() -> None:
    early = Action(id=ActionId("early"), name="E", ends="1970-01-03")
    late = Action(id=ActionId("late"), name="L", starts="1970-01-02", ends="1970-01-04")
    always = Action(id=ActionId("always"), name="A")
    actions = (replace(NOTHING, ends="1970-01-01"), early, late, always)
    candidates = Candidates(WEB, actions, np.zeros((4, 0)))
    stack = compile_guards([], candidates, {}, catalog=catalog(*actions))
    assert codes(stack, 0) == ["", "", "validity.not_started", ""]
    assert codes(stack, DAY_MS) == ["", "", "", ""]
    assert codes(stack, 2 * DAY_MS) == ["", "validity.ended", "", ""]
    assert codes(stack, 3 * DAY_MS) == ["", "validity.ended", "validity.ended", ""]


def test_a_content_that_is_withheld_is_out_of_date_whatever_its_dates_are() -> None:
    action = Action(id=ActionId("a"), name="A")
    fresh, stale = (
        Content(
            id=ContentId(name),
            action=action.id,
            group="g",
            placements=(WEB.id,),
            locale="en",
            starts="1970-01-02",
        )
        for name in ("fresh", "stale")
    )
    candidates = Candidates(
        WEB,
        (action, action),
        np.zeros((2, 0)),
        contents=(fresh, stale),
        withheld=frozenset({stale.id}),
    )
    stack = compile_guards([], candidates, {}, catalog=catalog(NOTHING, action))
    assert codes(stack, 0) == ["validity.not_started", "validity.stale"]
    assert codes(stack, DAY_MS) == ["", "validity.stale"]


@pytest.mark.parametrize("text", ["2026-13-01", "tomorrow", "2026-03-01T09:00", "12"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moment_ms(text)
    ((field, found, _),) = validity_faults(text, "")
    assert field == "starts"
    assert text in found


def test_an_end_must_come_after_its_start() -> None:
    assert validity_faults("2026-01-02", "2026-01-03") == []
    for end in ("2026-01-02", "2026-01-01", "2026-01-02T00:30:00+01:00"):
        ((field, _, _),) = validity_faults("2026-01-02", end)
        assert field == "ends"


def test_what_is_left_open_has_no_bound() -> None:
    assert bounds_ms("", "") == (None, None)
    assert bounds_ms("1970-01-02", "") == (DAY_MS, None)
