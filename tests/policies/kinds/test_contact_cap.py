"""``contact_cap``: counted over the whole catalog, closed where the count is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from past import Told, packed

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies import GuardStack, Situation
from nba.policies.calendar_window import CalendarUnit, CalendarWindow
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


BY_DAY = replace(WEEKLY, limit=1, window=CalendarWindow(calendar=CalendarUnit.DAY))


def test_calendar_day_is_the_customers_own(guard: Guard, moment: Moment, left: Left) -> None:
    """It is 17:06 in Vienna and 00:06 of the next day in Tokyo."""
    contacts = [(3_600, "shirt", "email.body")]
    stack = guard(BY_DAY)
    assert left(stack, moment(contacts=contacts, time_zone="Europe/Vienna")) == REACHED
    assert left(stack, moment(contacts=contacts, time_zone="Asia/Tokyo")) == {}


def test_calendar_in_a_zone_of_its_own_asks_for_none(
    guard: Guard, moment: Moment, left: Left
) -> None:
    tokyo = replace(BY_DAY, window=CalendarWindow(calendar=CalendarUnit.DAY, zone="Asia/Tokyo"))
    stack = guard(tokyo)
    assert left(stack, moment(contacts=[(360, "shirt", "email.body")])) == REACHED
    assert left(stack, moment(contacts=[(420, "shirt", "email.body")])) == {}


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus"])
def test_calendar_without_a_known_zone_closes(
    guard: Guard, moment: Moment, left: Left, zone: str | None
) -> None:
    expected = dict.fromkeys(["card", "shirt"], "contact_cap.time_zone_unknown")
    assert left(guard(BY_DAY), moment(time_zone=zone)) == expected
    rolling = replace(WEEKLY, id=PolicyId("q"))
    both = guard(rolling, BY_DAY)
    assert left(both, moment(time_zone=zone)) == expected


def test_calendar_closes_where_the_history_is_cut_within_it(
    guard: Guard, moment: Moment, left: Left
) -> None:
    midnight = NOW_S // DAY * DAY
    unknown = dict.fromkeys(["card", "shirt"], "contact_cap.unknown")
    stack = guard(BY_DAY)
    assert left(stack, moment(complete_since_s=midnight, time_zone="UTC")) == {}
    assert left(stack, moment(complete_since_s=midnight + 1, time_zone="UTC")) == unknown


CLICKS = replace(
    WEEKLY, limit=1, counting="click", hold=timedelta(days=1), release=("reject", "bounced")
)


@pytest.mark.parametrize(
    ("given_ago", "came", "closes"),
    [
        (60, {}, True),  # held
        (DAY, {}, True),
        (DAY + 1, {}, False),  # no word of it for too long
        (60, {"reject": 30}, False),  # released
        (60, {"bounced": 30}, False),
        (60, {"delivered": 30}, True),  # another word does neither
        (60, {"click": 30}, True),
        (60, {"click": 30, "reject": 20}, True),  # what happened is not undone
        (9 * DAY, {"click": 7 * DAY}, True),  # counts from when it was clicked
        (9 * DAY, {"click": 7 * DAY + 1}, False),
    ],
)
def test_contact_is_held_until_it_is_confirmed_or_released(
    guard: Guard, moment: Moment, left: Left, given_ago: int, came: dict[str, int], *, closes: bool
) -> None:
    contact = Told(at_s=NOW_S - given_ago, of="d1", action="shirt", placement="email.body")
    past = [contact, *(contact.came_to(kind, NOW_S - ago) for kind, ago in came.items())]
    situation = replace(moment(), history=packed(past), answer_from=len(past))
    assert left(guard(CLICKS), situation) == (REACHED if closes else {})


def test_release_gives_the_place_of_a_decision_back(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(replace(WEEKLY, limit=1, release=("bounced",)))
    contact = Told(at_s=NOW_S - 60, of="d1", action="shirt", placement="email.body")
    other = replace(contact, of="d2")
    for past, expected in [
        ([contact], REACHED),
        ([contact, contact.came_to("bounced", NOW_S)], {}),
        ([contact, other.came_to("bounced", NOW_S)], REACHED),
    ]:
        situation = replace(moment(), history=packed(past), answer_from=len(past))
        assert left(stack, situation) == expected


def test_what_is_confirmed_twice_counts_once(guard: Guard, moment: Moment, left: Left) -> None:
    contact = Told(at_s=NOW_S - 60, of="d1", action="shirt", placement="email.body")
    past = [contact, *(contact.came_to("click", NOW_S - ago) for ago in (1, 2, 3))]
    situation = replace(moment(), history=packed(past), answer_from=len(past))
    assert left(guard(replace(CLICKS, limit=2)), situation) == {}
    assert left(guard(CLICKS), situation) == REACHED


def test_cap_looks_back_as_far_as_it_holds_and_says_what_is_to_be_noted() -> None:
    assert CLICKS.window_seconds == 7 * DAY
    assert replace(CLICKS, hold=timedelta(days=9)).window_seconds == 9 * DAY
    assert replace(CLICKS, hold=None, window=timedelta(hours=1)).window_seconds == DAY
    assert set(CLICKS.noted_outcomes()) == {"click", "reject", "bounced"}
    assert set(WEEKLY.noted_outcomes()) == set()


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"hold": timedelta(days=1)}, ["hold"]),
        ({"counting": "click", "hold": timedelta(0)}, ["hold"]),
        ({"counting": "click", "hold": timedelta(days=366)}, ["hold"]),
        ({"counting": ""}, ["counting"]),
        ({"counting": "click", "release": ("click",)}, ["release"]),
        ({"release": ("",)}, ["release"]),
        ({"window": CalendarWindow(calendar=CalendarUnit.DAY, zone="x")}, ["window"]),
        ({"window": CalendarWindow(calendar=CalendarUnit.DAY)}, []),
    ],
)
def test_bounds_of_what_counts(given: dict[str, object], fields: list[str]) -> None:
    policy = replace(WEEKLY, **given)
    assert [problem.field for problem in policy.problems()] == fields


def test_sentence_names_the_window_and_what_counts() -> None:
    week = replace(CLICKS, window=CalendarWindow(calendar=CalendarUnit.WEEK))
    assert WEEKLY.reason(0).sentence.startswith("d (at most 2 in 7 days; ")
    expected = "d (at most 1 with click in the customer's current week; "
    assert week.reason(0).sentence.startswith(expected)
