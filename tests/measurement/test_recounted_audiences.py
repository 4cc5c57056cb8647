"""Who was in an audience is recounted from what was known; what nobody can tell blames nobody."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nba.domain.catalog import Action, Catalog, Direction, MessageClass, Placement
from nba.domain.ids import NO_ACTION, ActionId, CustomerId, PlacementId
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.measurement.evidence import AudienceChange, Evidence
from nba.measurement.violations import count_violations

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1_000)
LISTS = Dimension({"vip": "V", "vip/gold": "G", "staff": "S"}, renamed={"important": "vip"})
CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy({"audience": LISTS}),
    actions=(
        Action(id=NO_ACTION, name="nothing"),
        Action(id=ActionId("coat"), name="coat"),
        Action(id=ActionId("law"), name="law", message_class=MessageClass.MANDATORY),
    ),
    contents=(),
    placements=(Placement(id=PlacementId("web"), channel="web", direction=Direction.INBOUND),),
)
SEGMENTS = {"lapsing": "customer.days > 180"}


def on(audience, minutes=-60.0, *, is_on=True, customer="anna"):
    at_ms = NOON_MS + round(minutes * 60_000)
    return AudienceChange(CustomerId(customer), at_ms, audience, is_on)


def recount(policy, *told, said=("coat",), minutes=0.0, known=True, days=None):
    frame = pl.DataFrame(
        {
            "decision_id": [f"d{number}" for number in range(len(said))],
            "choice": [0] * len(said),
            "customer_id": ["anna"] * len(said),
            "at": [NOON + timedelta(minutes=minutes)] * len(said),
            "placement": ["web"] * len(said),
            "action": list(said),
            "f_days": pl.Series([days] * len(said), dtype=pl.Float32),
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    found = count_violations(
        frame,
        policies=[{"id": "p", **policy}],
        catalog=CATALOG,
        evidence=Evidence.of([], [], told if known else None),
        feature_types={},
        segments=SEGMENTS,
    )
    return [violation.decision_id for violation in found]


FOR_VIPS = {"kind": "audience", "in": ["vip"]}
NOT_STAFF = {"kind": "audience", "not_in": ["staff"]}


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ([], True),
        ([on("vip")], False),
        ([on("vip/gold")], False),
        ([on("important")], False),
        ([on("staff")], True),
        ([on("vip", customer="bob")], True),
        ([on("vip", -60), on("vip", -30, is_on=False)], True),
        ([on("vip", 30)], True),
    ],
)
def test_what_is_for_a_list_is_wrong_for_who_is_not_on_it(told, wrong):
    assert recount(FOR_VIPS, *told) == (["d0"] if wrong else [])


def test_what_is_not_for_a_list_is_wrong_for_who_is_on_it():
    assert recount(NOT_STAFF, on("staff")) == ["d0"]
    assert recount(NOT_STAFF, on("vip")) == []


@pytest.mark.parametrize("seconds", [-4, 0, 4])
def test_what_changed_within_moments_of_a_decision_blames_nobody(seconds):
    assert recount(FOR_VIPS, on("vip", seconds / 60)) == []
    assert recount(NOT_STAFF, on("staff", seconds / 60)) == []


def test_where_nothing_is_known_of_lists_nobody_is_blamed():
    assert recount(FOR_VIPS, known=False) == []
    assert recount({**FOR_VIPS, "in": ["lapsing", "vip"]}, known=False, days=3.0) == []


@pytest.mark.parametrize(
    ("days", "missing", "wrong"),
    [
        (200.0, "closed", False),
        (100.0, "closed", True),
        (100.0, "open", True),
        (None, "closed", True),
        (None, "open", False),
    ],
)
def test_a_segment_is_what_the_decision_used(days, missing, wrong):
    policy = {"kind": "audience", "in": ["lapsing"], "missing": missing}
    assert recount(policy, days=days) == (["d0"] if wrong else [])


def test_a_condition_may_name_a_segment():
    policy = {"kind": "eligibility", "condition": "!segment.lapsing"}
    assert recount(policy, days=200.0) == ["d0"]
    assert recount(policy, days=100.0) == []


def test_a_mandatory_message_is_for_everybody():
    assert recount(FOR_VIPS, said=("law", "coat")) == ["d1"]


def test_who_is_held_out_but_for_an_audience_is_recounted():
    policy = {"kind": "holdout", "share": 1.0, "salt": "s", "exempt": {"audiences": ["vip"]}}
    assert recount(policy) == ["d0"]
    assert recount(policy, on("vip")) == []
    assert recount(policy, on("vip", 0.01)) == []
    assert recount(policy, known=False) == []
