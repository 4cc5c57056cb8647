"""``contact_cap``: counted over the whole catalog, closed where the count is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies import GuardStack, Situation
from nba.policies.kinds import ContactCap

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

NOW_S = 1_750_000_000
DAY = 86_400
WEEKLY = ContactCap(id=PolicyId("p"), description="d", limit=2, window=timedelta(days=7))
REACHED = {"card": "contact_cap.reached", "shirt": "contact_cap.reached"}


def test_cap_closes_when_the_limit_is_reached_and_not_before(
    guard: Guard, moment: Moment, left: Left
) -> None:
    once = [(DAY, "shirt", "email.body")]
    twice = [*once, (2 * DAY, "card", "web.hero")]
    assert left(guard(WEEKLY), moment(contacts=once)) == {}
    assert left(guard(WEEKLY), moment(contacts=twice)) == REACHED


def test_contacts_leave_the_window_a_second_late_rather_than_early(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(replace(WEEKLY, limit=1))
    assert left(stack, moment(contacts=[(7 * DAY, "shirt", "email.body")])) == REACHED
    assert left(stack, moment(contacts=[(7 * DAY + 1, "shirt", "email.body")])) == {}


def test_contact_of_the_future_counts_so_that_a_clock_stepping_back_lifts_no_cap(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(replace(WEEKLY, limit=1))
    assert left(stack, moment(contacts=[(-3_600, "shirt", "email.body")])) == REACHED


def test_only_selected_contacts_count_wherever_they_were(
    guard: Guard, moment: Moment, left: Left
) -> None:
    cap = replace(WEEKLY, limit=1, applies_to=Selector(terms=("product:credit",)))
    stack = guard(cap, placement="web.hero")
    assert left(stack, moment(contacts=[(DAY, "shirt", "web.hero")])) == {}
    expected = {"card": "contact_cap.reached"}
    assert left(stack, moment(contacts=[(DAY, "card", "sms.text")])) == expected
    assert left(stack, moment(contacts=[(DAY, "notice", "sms.text")])) == expected


def test_cap_of_a_channel_counts_that_channel(guard: Guard, moment: Moment, left: Left) -> None:
    stack = guard(replace(WEEKLY, limit=1, applies_to=Selector(channels=("email",))))
    assert left(stack, moment(contacts=[(DAY, "shirt", "sms.text")])) == {}
    assert left(stack, moment(contacts=[(DAY, "shirt", "email.body")])) == REACHED


@pytest.mark.parametrize(
    ("contact", "counts"),
    [
        (("gone", "email.body"), True),
        (("card", "gone.slot"), True),
        (("gone", "gone.slot"), True),
        (("gone", "sms.text"), False),
        (("shirt", "gone.slot"), False),
        (("no_action", "email.body"), False),
    ],
)
def test_contact_that_the_catalog_no_longer_knows_counts_where_it_might(
    guard: Guard, moment: Moment, left: Left, contact: tuple[str, str], *, counts: bool
) -> None:
    selector = Selector(terms=("product:credit",), channels=("email",))
    stack = guard(replace(WEEKLY, limit=1, applies_to=selector))
    expected = {"card": "contact_cap.reached"} if counts else {}
    assert left(stack, moment(contacts=[(DAY, *contact)])) == expected


def test_history_that_is_cut_within_the_window_closes(
    guard: Guard, moment: Moment, left: Left
) -> None:
    unknown = dict.fromkeys(["card", "shirt"], "contact_cap.unknown")
    since = NOW_S - 7 * DAY
    assert left(guard(WEEKLY), moment(complete_since_s=since)) == {}
    assert left(guard(WEEKLY), moment(complete_since_s=since + 1)) == unknown
    twice = [(DAY, "shirt", "email.body"), (DAY, "card", "email.body")]
    assert left(guard(WEEKLY), moment(contacts=twice, complete_since_s=since + 1)) == REACHED


def test_several_caps_are_counted_apart(guard: Guard, moment: Moment, left: Left) -> None:
    daily = ContactCap(
        id=PolicyId("q"),
        description="d",
        applies_to=Selector(actions=("shirt", "survey")),
        limit=1,
        window=timedelta(days=1),
    )
    contacts = [(DAY // 2, "survey", "sms.text"), (3 * DAY, "card", "email.body")]
    stack = guard(replace(WEEKLY, limit=3), daily)
    assert left(stack, moment(contacts=contacts)) == {
        "shirt": "contact_cap.reached",
        "survey": "contact_cap.reached",
    }


def test_stack_knows_the_longest_window_even_of_caps_elsewhere(guard: Guard) -> None:
    sms = replace(WEEKLY, applies_to=Selector(channels=("sms",)), window=timedelta(days=30))
    assert guard(WEEKLY, sms).max_window_seconds == 30 * DAY
    assert guard().max_window_seconds == 0


def test_part_of_a_second_is_a_whole_one() -> None:
    assert replace(WEEKLY, window=timedelta(seconds=90, milliseconds=1)).window_seconds == 91


@pytest.mark.parametrize(
    ("limit", "window", "fields"),
    [
        (1, timedelta(minutes=1), []),
        (1, timedelta(days=365), []),
        (0, timedelta(days=1), ["limit"]),
        (-1, timedelta(0), ["limit", "window"]),
        (1, timedelta(days=3_650), ["window"]),
        (1, timedelta(days=-1), ["window"]),
    ],
)
def test_bounds(limit: int, window: timedelta, fields: list[str]) -> None:
    policy = replace(WEEKLY, limit=limit, window=window)
    assert [problem.field for problem in policy.problems()] == fields
