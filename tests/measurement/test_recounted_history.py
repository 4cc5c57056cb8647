"""The recount on the history finds what is certain to be wrong, and nothing that may be right."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nba.domain.catalog import Action, Catalog, Content, Direction, MessageClass, Placement
from nba.domain.ids import NO_ACTION, ActionId, ContentId, CustomerId, PlacementId, Term
from nba.domain.taxonomy import Taxonomy
from nba.measurement.evidence import Evidence, TimeZoneChange
from nba.measurement.violations import count_violations

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy(),
    actions=(
        Action(id=NO_ACTION, name="nothing"),
        Action(id=ActionId("card"), name="card", terms=(Term("product:credit/card"),)),
        Action(id=ActionId("coat"), name="coat", terms=(Term("product:fashion/women"),)),
        Action(id=ActionId("shoe"), name="shoe", terms=(Term("product:fashion/men"),)),
        Action(id=ActionId("law"), name="law", message_class=MessageClass.MANDATORY),
    ),
    contents=tuple(
        Content(id=ContentId(name), action=ActionId(name[:4]), group=name[:4], placements=(),
                locale="en")
        for name in ("coat.en", "coat.de")
    ),
    placements=(
        Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND),
        Placement(id=PlacementId("web.hero"), channel="web", direction=Direction.INBOUND),
    ),
)  # fmt: skip
MOMENT = pl.Datetime("us", "UTC")
ANNA = Evidence.of([], [TimeZoneChange(CustomerId("anna"), 0, "America/New_York")])


def day(number: float) -> datetime:
    return NOON + timedelta(days=number)


def recount(policy, said, *, outcomes=(), events=(), evidence=ANNA):
    """Recount ``said`` (day, action[, decision[, content]]) and return the rows that violate.

    Outcomes are (row, kind, day[, received]), events (name, day[, message]).
    """
    rows = [(*row, *(None,) * (4 - len(row))) for row in said]
    decision = [of or f"d{number}" for number, (_, _, of, _) in enumerate(rows)]
    choice = [decision[:number].count(of) for number, of in enumerate(decision)]
    decisions = pl.DataFrame(
        {
            "decision_id": decision,
            "choice": choice,
            "customer_id": ["anna"] * len(rows),
            "at": [day(at) for at, *_ in rows],
            "placement": ["email.body"] * len(rows),
            "action": [action for _, action, *_ in rows],
            "content": [content for *_, content in rows],
        },
        schema_overrides={"at": MOMENT, "content": pl.String()},
    )
    came = pl.DataFrame(
        [
            (decision[row], choice[row], kind, day(at), day(received[0] if received else at))
            for row, kind, at, *received in outcomes
        ],
        schema={"decision_id": pl.String(), "choice": pl.Int32(), "kind": pl.String(),
                "at": MOMENT, "received_at": MOMENT},
        orient="row",
    )  # fmt: skip
    happened = pl.DataFrame(
        [
            ("anna", name, message[0] if message else f"m{number}", day(at), day(at))
            for number, (name, at, *message) in enumerate(events)
        ],
        schema={"customer_id": pl.String(), "name": pl.String(), "message_id": pl.String(),
                "at": MOMENT, "received_at": MOMENT},
        orient="row",
    )  # fmt: skip
    found = count_violations(
        decisions,
        policies=[{"id": "p", **policy}],
        catalog=CATALOG,
        evidence=evidence,
        feature_types={},
        outcomes=came,
        events=happened,
    )
    places = list(zip(decision, choice, strict=True))
    return [places.index((violation.decision_id, violation.choice)) for violation in found]


COATS = [(number, "coat") for number in (0, 0.1, 1)]
BY_DAY = {"kind": "contact_cap", "limit": 1, "window": {"calendar": "day", "zone": "UTC"}}


def test_calendar_days_are_counted_where_they_are():
    assert recount(BY_DAY, COATS) == [1]
    # From eight in the evening to two in the morning it is one day in New York.
    night = [(0.34, "coat"), (0.6, "coat")]
    customers = {**BY_DAY, "window": {"calendar": "day"}}
    assert recount(BY_DAY, night) == []
    assert recount(customers, night) == [1]
    assert recount(customers, [(0, "coat")], evidence=Evidence.of([], [])) == [0]


@pytest.mark.parametrize(
    ("window", "days", "violating"),
    [
        ({"calendar": "week"}, (0, 6, 7), [1]),
        ({"calendar": "week", "week_starts": "sun"}, (0, 6, 7), [2]),
        ({"calendar": "month"}, (0, 29, 30), [1]),
        ({"calendar": "month", "month_starts": 15}, (0, 12, 13, 43), [1, 3]),
    ],
)
def test_weeks_and_months_begin_where_they_are_told_to(window, days, violating):
    cap = {**BY_DAY, "window": {"zone": "UTC", **window}}
    assert recount(cap, [(number, "coat") for number in days]) == violating


DELIVERED = {
    "kind": "contact_cap",
    "limit": 1,
    "window": "7d",
    "counting": "delivered",
    "hold": "12h",
    "release": ["bounced"],
}


@pytest.mark.parametrize(
    ("second", "outcomes", "violating"),
    [
        (0.4, [], [1]),  # the first is held
        (0.6, [], []),  # no word of it for twelve hours
        (0.4, [(0, "bounced", 0.1)], []),
        (0.4, [(0, "bounced", 0.5)], [1]),  # released only later
        (6, [(0, "delivered", 0.1)], [1]),
        (7.2, [(0, "delivered", 0.1)], []),
        (7.2, [(0, "delivered", 0.3)], [1]),  # counts from when it was delivered
        (6, [(0, "delivered", 0.1, 6.5)], []),  # not known then
        (0.4, [(0, "delivered", 0.1, 6.5)], [1]),  # not known then, and held
    ],
)
def test_contacts_are_held_confirmed_and_released(second, outcomes, violating):
    assert recount(DELIVERED, [(0, "coat"), (second, "coat")], outcomes=outcomes) == violating


def test_decisions_that_were_released_do_not_count():
    cap = {"kind": "contact_cap", "limit": 1, "window": "7d", "release": ["bounced"]}
    assert recount(cap, COATS[:2], outcomes=[(0, "bounced", 0.05)]) == []
    assert recount(cap, COATS[:2]) == [1]


PAUSE = {"kind": "suppression", "outcomes": ["reject"], "pause": "10d"}


def test_pauses_begin_and_end():
    said = [(0, "coat"), (5, "coat"), (11, "coat")]
    assert recount(PAUSE, said, outcomes=[(0, "reject", 0.5)]) == [1]
    assert recount(PAUSE, said, outcomes=[(0, "click", 0.5)]) == []
    until = {**PAUSE, "until_outcomes": ["accept"], "until_events": ["made_up"]}
    assert recount(until, said, outcomes=[(0, "reject", 0.5), (0, "accept", 3)]) == []
    told = [("made_up", 3)]
    assert recount(until, said, outcomes=[(0, "reject", 0.5)], events=told) == []
    assert recount(PAUSE, [(0, "coat"), (5, "law")], outcomes=[(0, "reject", 0.5)]) == []


def test_pauses_take_as_many_as_they_say():
    often = {
        "kind": "suppression",
        "events": ["complaint"],
        "outcomes": ["impression"],
        "without": "click",
        "times": 2,
        "within": "7d",
        "pause": "10d",
    }
    said = [(0, "coat"), (1, "coat"), (9, "coat")]
    seen = [(0, "impression", 0.1), (1, "impression", 1.1)]
    assert recount(often, said, outcomes=seen) == [2]
    assert recount(often, said, outcomes=[*seen, (0, "click", 5)]) == []
    assert recount(often, said, events=[("complaint", 3), ("complaint", 4)]) == [2]
    assert recount(often, said, events=[("complaint", 3, "m"), ("complaint", 4, "m")]) == []


def test_pauses_look_at_what_they_are_told_to():
    other = {**PAUSE, "of": {"actions": ["card"]}, "applies_to": {"actions": ["coat"]}}
    said = [(0, "card"), (1, "coat"), (2, "card")]
    assert recount(other, said, outcomes=[(0, "reject", 0.5)]) == [1]
    assert recount(other, said, outcomes=[(1, "reject", 1.5)]) == []


AFTER = {
    "kind": "sequence",
    "applies_to": {"actions": ["card"]},
    "after": {"actions": ["coat"]},
    "at_least": "2d",
    "within": "7d",
}


def test_sequences_need_what_comes_before():
    assert recount(AFTER, [(0, "coat"), (1, "card")]) == [1]
    assert recount(AFTER, [(0, "coat"), (3, "card")]) == []
    assert recount(AFTER, [(0, "coat"), (8, "card")]) == [1]
    clicked = {**AFTER, "outcome": "click"}
    assert recount(clicked, [(0, "coat"), (3, "card")]) == [1]
    assert recount(clicked, [(0, "coat"), (3, "card")], outcomes=[(0, "click", 0.5)]) == []
    same_answer = {**AFTER, "at_least": "0s"}
    assert recount(same_answer, [(0, "coat", "d"), (0, "card", "d")]) == [1]


def test_exclusions_leave_one():
    apart = {"kind": "exclusion", "applies_to": {"actions": ["coat", "shoe"]}}
    assert recount(apart, [(0, "coat", "d"), (0, "shoe", "d"), (0, "card", "d")]) == [1]
    assert recount(apart, [(0, "coat"), (0, "shoe")]) == []
    windowed = {**apart, "window": "7d"}
    assert recount(windowed, [(0, "coat"), (1, "coat"), (6, "shoe"), (14, "shoe")]) == [2]
    contents = {**windowed, "applies_to": {"groups": ["coat"]}}
    said = [(0, "coat", None, "coat.en"), (1, "coat", None, "coat.de"), (2, "card", None, None)]
    assert recount(contents, said) == [1]


def test_answers_are_diverse():
    mixed = {"kind": "diversity", "dimension": "product", "limit": 1}
    answer = [(0, "coat", "d"), (0, "shoe", "d"), (0, "card", "d")]
    assert recount(mixed, answer) == [1]
    assert recount({**mixed, "depth": 2}, answer) == []
    assert recount({**mixed, "limit": 2}, answer) == []
    assert recount(mixed, [(0, "coat"), (0, "shoe")]) == []


def test_what_was_said_before_a_policy_began_counts_but_is_not_against_it():
    cap = {"kind": "contact_cap", "limit": 1, "window": "7d", "starts": "2026-03-04"}
    assert recount(cap, [(0, "coat"), (0.5, "coat"), (3, "coat")]) == [2]
