"""``suppression``: a pause after what happened, for a time or until something else happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from past import Told, packed

from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.policies.kinds import Suppression

NOW_S = 1_750_000_000
DAY = 86_400
AFTER_REJECT = Suppression(
    id=PolicyId("p"), description="d", outcomes=("reject",), pause=timedelta(days=30)
)
ACTIVE = dict.fromkeys(["card", "shirt"], "suppression.active")
UNKNOWN = dict.fromkeys(["card", "shirt"], "suppression.unknown")


def shown(days_ago, action="shirt", of="d1"):
    return Told(at_s=NOW_S - round(days_ago * DAY), of=of, action=action, placement="email.body")


def event(name, days_ago, of="m1"):
    return Told(at_s=NOW_S - round(days_ago * DAY), what=f"event/{name}", of=of)


@pytest.fixture
def found(guard, moment, left):
    """Return what a policy drops after a past."""

    def judge(policy, *past, since_s=0):
        history = packed(past, complete_since_s=since_s)
        situation = replace(moment(), history=history, answer_from=len(history))
        return left(guard(policy), situation)

    return judge


def test_it_pauses_for_its_time_and_a_second_longer_rather_than_shorter(found):
    contact = shown(31)
    for days_ago, codes in [(0, ACTIVE), (29, ACTIVE), (30, ACTIVE), (30.001, {}), (31, {})]:
        rejected = contact.came_to("reject", NOW_S - round(days_ago * DAY))
        assert found(AFTER_REJECT, contact, rejected) == codes


def test_other_outcomes_and_the_contact_itself_begin_nothing(found):
    contact = shown(1)
    assert found(AFTER_REJECT, contact, contact.came_to("click", NOW_S)) == {}


def test_it_pauses_one_selection_after_outcomes_of_another(found):
    policy = replace(
        AFTER_REJECT,
        applies_to=Selector(actions=("shirt",)),
        of=Selector(terms=("product:credit",)),
    )
    for action, codes in [("card", {"shirt": "suppression.active"}), ("shirt", {})]:
        contact = shown(1, action)
        assert found(policy, contact, contact.came_to("reject", NOW_S)) == codes


def test_as_many_as_told_must_lie_within_the_time(found):
    policy = replace(AFTER_REJECT, times=3, within=timedelta(days=7))
    contacts = [shown(20, of=f"d{n}") for n in range(3)]
    near = [c.came_to("reject", NOW_S - n * DAY) for c, n in zip(contacts, (9, 5, 2), strict=True)]
    far = [c.came_to("reject", NOW_S - n * DAY) for c, n in zip(contacts, (10, 5, 2), strict=True)]
    assert found(policy, *contacts, *near) == ACTIVE
    assert found(policy, *contacts, *far) == {}
    assert found(policy, *contacts, *near[:2]) == {}


def test_what_is_told_twice_happened_once(found):
    policy = replace(AFTER_REJECT, times=2, within=timedelta(days=7), events=("complaint",))
    contact = shown(3)
    twice = [contact.came_to("reject", NOW_S - n * DAY) for n in (1, 2)]
    assert found(policy, contact, *twice) == {}
    assert found(policy, event("complaint", 1), event("complaint", 2)) == {}
    assert found(policy, event("complaint", 1), event("complaint", 2, of="m2")) == ACTIVE
    assert found(policy, contact, *twice, event("complaint", 1)) == ACTIVE


def test_what_was_seen_and_clicked_does_not_count_as_seen_without_click(found):
    policy = replace(
        AFTER_REJECT,
        outcomes=("impression",),
        without="click",
        times=2,
        within=timedelta(days=7),
    )
    first, second = shown(3, of="d1"), shown(2, of="d2")
    seen = [contact.came_to("impression", contact.at_s) for contact in (first, second)]
    assert found(policy, first, second, *seen) == ACTIVE
    assert found(policy, first, second, *seen, first.came_to("click", NOW_S)) == {}


def test_it_ends_with_what_ends_it_and_not_with_what_was_before(found):
    policy = replace(AFTER_REJECT, outcomes=(), events=("complaint",), until_events=("closed",))
    assert found(policy, event("complaint", 5), event("closed", 6, "m2")) == ACTIVE
    assert found(policy, event("complaint", 5), event("closed", 4, "m2")) == {}
    assert found(policy, event("complaint", 5), event("closed", 5, "m2")) == ACTIVE


def test_an_end_that_is_still_to_come_ends_nothing(found):
    policy = replace(AFTER_REJECT, outcomes=(), events=("complaint",), until_events=("closed",))
    assert found(policy, event("complaint", 5), event("closed", -1, "m2")) == ACTIVE


def test_without_a_time_it_lasts_until_ended_and_a_year_at_most(found):
    policy = replace(
        AFTER_REJECT, outcomes=(), events=("ticket",), pause=None, until_events=("closed",)
    )
    assert found(policy, event("ticket", 364)) == ACTIVE
    assert found(policy, event("ticket", 366)) == {}
    assert policy.window_seconds == 365 * DAY


def test_an_outcome_of_what_the_catalog_no_longer_knows_begins_it_and_does_not_end_it(found):
    gone = shown(3, "gone")
    credit = replace(
        AFTER_REJECT, of=Selector(terms=("product:credit",)), until_outcomes=("accept",)
    )
    assert found(credit, gone, gone.came_to("reject", NOW_S - DAY)) == ACTIVE
    ended = gone.came_to("accept", NOW_S)
    assert found(credit, gone, gone.came_to("reject", NOW_S - DAY), ended) == ACTIVE


def test_a_history_that_is_cut_closes_unless_it_is_told_to_open(found):
    since_s = NOW_S - 30 * DAY + 1
    assert found(AFTER_REJECT, since_s=since_s) == UNKNOWN
    assert found(AFTER_REJECT, since_s=since_s - 1) == {}
    assert found(replace(AFTER_REJECT, missing=Missing.OPEN), since_s=since_s) == {}


def test_only_promotions_are_paused_unless_others_are_named(found):
    contact = shown(1)
    rejected = contact.came_to("reject", NOW_S)
    named = replace(AFTER_REJECT, applies_to=Selector(message_classes=("transactional",)),
                    of=Selector())  # fmt: skip
    assert found(AFTER_REJECT, contact, rejected) == ACTIVE
    assert found(named, contact, rejected) == {"survey": "suppression.active"}


def test_it_says_what_the_history_must_note():
    policy = replace(
        AFTER_REJECT,
        outcomes=("impression", "decision"),
        without="click",
        events=("b", "a"),
        until_outcomes=("accept",),
        until_events=("c",),
    )
    assert list(policy.noted_outcomes()) == ["accept", "click", "impression"]
    assert list(policy.noted_events()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, []),
        ({"outcomes": ()}, ["outcomes"]),
        ({"times": 0}, ["times"]),
        ({"times": -1}, ["times"]),
        ({"times": 2}, ["within"]),
        ({"within": timedelta(days=1)}, ["within"]),
        ({"pause": None}, ["pause"]),
        ({"pause": timedelta(0)}, ["pause"]),
        ({"pause": timedelta(days=3_650)}, ["pause"]),
        ({"outcomes": (), "events": ("e",), "without": "click"}, ["without"]),
        ({"without": "reject"}, ["without"]),
        ({"without": "decision"}, ["without"]),
        ({"until_outcomes": ("reject",)}, ["until_outcomes"]),
        ({"until_outcomes": ("decision",)}, ["until_outcomes"]),
        ({"events": ("e",), "until_events": ("e",)}, ["until_events"]),
        ({"events": ("",)}, ["events"]),
        ({"events": (" complaint",)}, ["events"]),
    ],
)
def test_bounds(given, fields):
    assert [problem.field for problem in replace(AFTER_REJECT, **given).problems()] == fields


def test_sentence_says_what_begins_it():
    policy = replace(
        AFTER_REJECT,
        outcomes=("impression",),
        without="click",
        times=3,
        within=timedelta(days=7),
    )
    assert policy.reason(0).sentence == (
        "d (pauses after 3 x impression without click within 7 days; what it pauses for happened)"
    )
