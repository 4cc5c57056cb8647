"""A content shown out of turn is found, where another was surely free to be shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nba.domain.catalog import Action, Catalog, Content, Direction, Placement
from nba.domain.ids import NO_ACTION, ActionId, ContentId, PlacementId
from nba.domain.taxonomy import Taxonomy
from nba.measurement.evidence import Evidence
from nba.measurement.violations import count_violations

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def content(name, locale="en", places=("web",), **changes):
    places = tuple(map(PlacementId, places))
    made = Content(
        id=ContentId(name),
        action=ActionId("coat"),
        group=name,
        placements=places,
        locale=locale,
    )
    return replace(made, **changes)


ABC = tuple(content(name) for name in "abc")
ROTATION = {"id": "p", "kind": "rotation", "window": "7d"}


def recount(said, *, contents=ABC, policy=ROTATION, others=()):
    """Recount (day, content) rows of one customer and return the rows that violate."""
    catalog = Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy(),
        actions=(Action(id=NO_ACTION, name="-"), Action(id=ActionId("coat"), name="coat")),
        contents=contents,
        placements=tuple(
            Placement(id=PlacementId(name), channel=name, direction=Direction.INBOUND)
            for name in ("web", "app")
        ),
    )
    frame = pl.DataFrame(
        {
            "decision_id": [str(number) for number in range(len(said))],
            "choice": [0] * len(said),
            "customer_id": ["anna"] * len(said),
            "at": [NOON + timedelta(days=at) for at, _ in said],
            "placement": ["web"] * len(said),
            "action": ["coat"] * len(said),
            "content": [shown for _, shown in said],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    found = count_violations(
        frame,
        policies=[policy, *others],
        catalog=catalog,
        evidence=Evidence.of([], []),
        feature_types={},
    )
    return [int(violation.decision_id) for violation in found]


def test_what_was_shown_longest_ago_has_its_turn():
    assert recount([(0, "a"), (1, "b"), (2, "c"), (3, "a"), (4, "c")]) == [4]


def test_by_count_what_was_shown_least_often_has_its_turn():
    policy = {**ROTATION, "by": "fewest"}
    said = [(0, "a"), (1, "a"), (2, "b"), (3, "c"), (4, "c"), (5, "b")]
    assert recount(said, policy=policy) == [1]
    assert recount([*said, (6, "a"), (6.5, "a")], policy=policy) == [1, 7]


def test_what_was_shown_before_the_window_was_not_shown():
    assert recount([(0, "a"), (6, "a")]) == [1]
    assert recount([(0, "a"), (8, "a")]) == []


def test_only_contents_of_the_same_language_and_place_take_turns():
    others = (content("a"), content("b", locale="de"), content("c", places=("app",)))
    assert recount([(0, "a"), (1, "a")], contents=others) == []


def test_a_rotation_of_some_contents_lets_the_others_be():
    policy = {**ROTATION, "applies_to": {"contents": ["a", "b"]}}
    assert recount([(0, "a"), (1, "a"), (2, "b")], policy=policy) == [1]
    assert recount([(0, "c"), (1, "c")], policy=policy) == []


@pytest.mark.parametrize(
    "rival",
    [content("b", starts="2026-01-01"), content("b", ends="2027-01-01"), content("b", master=True)],
)
def test_what_may_not_have_been_free_to_be_shown_blames_nobody(rival):
    assert recount([(0, "a"), (1, "a")], contents=(content("a"), rival)) == []


def test_a_condition_may_name_what_was_shown():
    policy = {"id": "p", "kind": "eligibility", "condition": "content.group == 'a'"}
    assert recount([(0, "a"), (1, "b")], policy=policy) == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "contact_cap", "limit": 9, "window": "7d", "applies_to": {"contents": ["b"]}},
        {"kind": "eligibility", "condition": "content.locale == 'en'"},
        {"kind": "rotation", "window": "1d"},
    ],
)
def test_where_other_policies_are_about_contents_nobody_can_tell(other):
    assert recount([(0, "a"), (1, "a")], others=[{"id": "other", **other}]) == []
