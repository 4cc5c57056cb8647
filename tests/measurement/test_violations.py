"""The recount finds every planted violation and nothing else."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.domain.catalog import Action, Catalog, Direction, MessageClass, Placement
from nba.domain.customer import Consent
from nba.domain.ids import NO_ACTION, ActionId, CustomerId, PlacementId, Term, uniform_hash
from nba.domain.taxonomy import Taxonomy
from nba.errors import EvaluationRefusedError
from nba.measurement.evidence import ConsentChange, Evidence, TimeZoneChange
from nba.measurement.said import duration_seconds
from nba.measurement.violations import count_violations, read_policies

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy(),
    actions=(
        Action(id=NO_ACTION, name="nothing"),
        Action(id=ActionId("card"), name="card", terms=(Term("product:credit/card"),)),
        Action(id=ActionId("coat"), name="coat", terms=(Term("product:fashion/women"),)),
        Action(id=ActionId("help"), name="help", message_class=MessageClass.TRANSACTIONAL),
        Action(id=ActionId("law"), name="law", message_class=MessageClass.MANDATORY),
    ),
    contents=(),
    placements=(
        Placement(id=PlacementId("email.body"), channel="email", direction=Direction.OUTBOUND),
        Placement(id=PlacementId("web.hero"), channel="web", direction=Direction.INBOUND),
    ),
)
BERLIN = Evidence.of(
    [ConsentChange(CustomerId("anna"), 0, "email", "marketing", Consent.GRANTED)],
    [TimeZoneChange(CustomerId("anna"), 0, "Europe/Berlin")],
)


def log(*rows, **columns):
    """Build a decisions frame of (action, placement, moment) rows for one customer."""
    frame = pl.DataFrame(
        {
            "decision_id": [f"d{index}" for index in range(len(rows))],
            "choice": [0] * len(rows),
            "customer_id": ["anna"] * len(rows),
            "at": [moment for _, _, moment in rows],
            "placement": [placement for _, placement, _ in rows],
            "action": [action for action, _, _ in rows],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def recount(frame, policy, *, evidence=BERLIN, types=None):
    found = count_violations(
        frame,
        policies=[{"id": "p", **policy}],
        catalog=CATALOG,
        evidence=evidence,
        feature_types=types or {},
    )
    return [violation.decision_id for violation in found]


CAP = {"kind": "contact_cap", "limit": 2, "window": "7d", "applies_to": {"channels": ["email"]}}


def test_cap_counts_a_rolling_window():
    days = [0, 3, 6.9, 7, 9.95, 10]
    frame = log(*(("coat", "email.body", NOON + timedelta(days=day)) for day in days))
    # Day 6.9 is the third within a week; day 7 meets 3 and 6.9; 9.95 meets 6.9 and 7 and 3 is
    # within; 10 meets 6.9, 7 and 9.95.
    assert recount(frame, CAP) == ["d2", "d3", "d4", "d5"]


def test_cap_frees_a_place_exactly_one_window_later():
    frame = log(*(("coat", "email.body", NOON + timedelta(days=day)) for day in (0, 1, 7, 8)))
    assert recount(frame, CAP) == []


def test_cap_leaves_out_other_channels_and_no_action():
    frame = log(
        ("coat", "email.body", NOON),
        ("coat", "email.body", NOON),
        ("coat", "web.hero", NOON),
        ("no_action", "email.body", NOON),
    )
    assert recount(frame, CAP) == []


def test_cap_counts_service_messages_but_blames_only_promotions():
    frame = log(*((action, "email.body", NOON) for action in ("help", "law", "help", "coat")))
    assert recount(frame, CAP) == ["d3"]


def test_cap_that_names_service_messages_holds_for_them():
    named = {**CAP, "applies_to": {"message_classes": ["transactional"]}}
    frame = log(*(("help", "email.body", NOON) for _ in range(3)))
    assert recount(frame, named) == ["d2"]


def test_cap_is_counted_by_customer():
    frame = log(*(("coat", "email.body", NOON) for _ in range(3)))
    assert recount(frame.with_columns(customer_id=pl.Series(["a", "b", "a"])), CAP) == []


@given(hours=st.lists(st.integers(0, 400), min_size=1, max_size=12), limit=st.integers(1, 3))
def test_cap_agrees_with_counting_every_pair(hours, limit):
    frame = log(*(("coat", "email.body", NOON + timedelta(hours=hour)) for hour in sorted(hours)))
    expected = []
    for index, hour in enumerate(sorted(hours)):
        before = [other for other in sorted(hours)[: index + 1] if other > hour - 48]
        if len(before) > limit:
            expected.append(f"d{index}")
    assert recount(frame, {**CAP, "limit": limit, "window": "2d"}) == expected


CONSENT = {"kind": "consent", "applies_to": {"directions": ["outbound"]}}


def test_consent_withdrawn_is_found_from_then_on():
    withdrawn_ms = int((NOON + timedelta(hours=1)).timestamp() * 1_000)
    evidence = Evidence.of(
        [
            ConsentChange(CustomerId("anna"), 0, "email", "marketing", Consent.GRANTED),
            ConsentChange(CustomerId("anna"), withdrawn_ms, "email", "marketing", Consent.DENIED),
        ],
        [],
    )
    moments = [NOON, NOON + timedelta(hours=2)]
    frame = log(*(("coat", "email.body", moment) for moment in moments))
    assert recount(frame, CONSENT, evidence=evidence) == ["d1"]


def test_unknown_consent_violates_unless_missing_is_open_for_what_sells_nothing():
    nothing = Evidence.of([], [])
    frame = log(
        ("help", "email.body", NOON), ("coat", "email.body", NOON), ("coat", "web.hero", NOON)
    )
    assert recount(frame, CONSENT, evidence=nothing) == ["d0", "d1"]
    assert recount(frame, {**CONSENT, "missing": "open"}, evidence=nothing) == ["d1"]
    assert recount(frame, {**CONSENT, "purposes": ["service"]}, evidence=nothing) == []


def test_mandatory_messages_need_no_consent():
    assert recount(log(("law", "email.body", NOON)), CONSENT, evidence=Evidence.of([], [])) == []


QUIET = {"kind": "quiet_hours", "start": "21:00", "end": "08:00"}


@pytest.mark.parametrize(
    ("utc_hour", "violates"),
    [(19, False), (20, True), (23, True), (3, True), (6, True), (7, False), (12, False)],
)
def test_quiet_hours_are_the_customers_own(utc_hour, violates):
    """In March Berlin is one hour ahead of UTC."""
    frame = log(("coat", "email.body", NOON.replace(hour=utc_hour)))
    assert recount(frame, QUIET) == (["d0"] if violates else [])


def test_quiet_hours_close_without_a_time_zone():
    nowhere = Evidence.of([], [])
    frame = log(("coat", "email.body", NOON))
    assert recount(frame, QUIET, evidence=nowhere) == ["d0"]
    assert recount(frame, {**QUIET, "missing": "open"}, evidence=nowhere) == []


def test_quiet_days_are_those_on_which_the_period_starts():
    sunday_night = NOON - timedelta(hours=9)  # Monday 04:00 in Berlin
    monday_night = NOON + timedelta(hours=10)  # Monday 23:00 in Berlin
    frame = log(("coat", "email.body", sunday_night), ("coat", "email.body", monday_night))
    assert recount(frame, {**QUIET, "days": ["sun"]}) == ["d0"]
    assert recount(frame, {**QUIET, "days": ["mon"]}) == ["d1"]


def test_any_period_and_any_holiday_is_recounted():
    policy = {
        "kind": "quiet_hours",
        "periods": [{"start": 1260, "end": "08:00"}, {"start": "12:30", "end": "14:00"}],
        "holidays": ["2026-03-03"],
        "calendars": ["DE-BE"],
    }
    days = [0, 1, 6]  # the third is women's day, a holiday in Berlin alone
    frame = log(
        ("coat", "email.body", NOON),  # 13:00 in Berlin
        *(("coat", "email.body", NOON + timedelta(days=day, hours=4)) for day in days),
    )
    assert recount(frame, policy) == ["d0", "d2", "d3"]
    elsewhere = {**policy, "zone": "Asia/Tokyo", "holidays": [], "calendars": []}
    assert recount(frame, elsewhere) == ["d0", "d1", "d2", "d3"]
    assert recount(frame, elsewhere, evidence=Evidence.of([], [])) == ["d0", "d1", "d2", "d3"]


def test_a_policy_is_recounted_while_it_holds():
    frame = log(*(("coat", "email.body", NOON + timedelta(days=day)) for day in range(4)))
    policy = {"kind": "holdout", "share": 1.0, "salt": "s"}
    dates = {"starts": "2026-03-03", "ends": "2026-03-04T13:00:00+01:00"}
    assert recount(frame, {**policy, **dates}) == ["d1"]
    assert recount(frame, {**policy, "exempt": {"customers": ["anna"]}}) == []
    assert recount(frame, {**policy, "exempt": {"audiences": ["vip"]}}) == []


def test_holdout_is_recomputed_from_its_salt():
    policy = {"kind": "holdout", "share": 0.2, "salt": "s"}
    names = [f"c{index}" for index in range(40)]
    frame = log(*(("coat", "web.hero", NOON) for _ in names))
    frame = frame.with_columns(customer_id=pl.Series(names))
    held = [f"d{i}" for i, name in enumerate(names) if uniform_hash("s", name) < 0.2]
    assert held
    assert recount(frame, policy) == held
    assert recount(log(("help", "web.hero", NOON)), {**policy, "share": 1.0}) == []


def test_eligibility_is_recounted_from_recorded_features():
    policy = {
        "kind": "eligibility",
        "applies_to": {"terms": ["product:credit"]},
        "condition": 'customer.age >= 18 && customer.band != "low"',
    }
    rows = [("card", "web.hero", NOON)] * 4 + [("coat", "web.hero", NOON)]
    ages = [17.0, 30.0, 30.0, None, 12.0]
    bands = ["high", "low", "high", "high", "low"]
    frame = log(*rows, f_age=ages, f_band=bands)
    assert recount(frame, policy) == ["d0", "d1", "d3"]
    assert recount(frame, {**policy, "missing": "open"}) == ["d0", "d1"]


def test_booleans_are_told_from_numbers_by_their_type():
    policy = {"kind": "eligibility", "condition": "!customer.employee"}
    frame = log(*[("card", "web.hero", NOON)] * 2, f_employee=[0.0, 1.0])
    assert recount(frame, policy, types={"employee": "bool"}) == ["d1"]


def test_conditions_may_look_at_the_action_and_placement():
    policy = {
        "kind": "suitability",
        "condition": "action.line == 'a' && action.value >= 0 && placement.channel == 'web'",
    }
    rows = [("coat", "web.hero", NOON), ("coat", "web.hero", NOON), ("coat", "email.body", NOON)]
    assert recount(log(*rows, a_line=["a", "b", "a"]), policy) == ["d1", "d2"]


def test_a_number_kept_as_float32_is_recounted_as_it_was_given():
    policy = {"kind": "suitability", "condition": "customer.basket >= 19.99"}
    rows = [("coat", "web.hero", NOON), ("coat", "web.hero", NOON)]
    frame = log(*rows).with_columns(f_basket=pl.Series([19.99, 19.98], dtype=pl.Float32))
    assert recount(frame, policy) == ["d1"]


def test_excepted_terms_are_not_selected():
    policy = {
        "kind": "eligibility",
        "applies_to": {"except_terms": ["product:credit"], "except_actions": ["help"]},
        "condition": "customer.age > 99",
    }
    rows = [(action, "web.hero", NOON) for action in ("card", "coat", "help")]
    assert recount(log(*rows, f_age=[1.0, 1.0, 1.0]), policy) == ["d1"]


def test_a_violation_tells_what_was_found():
    frame = log(("card", "web.hero", NOON), f_age=[17.0])
    policy = {"id": "adults", "kind": "eligibility", "condition": "customer.age >= 18"}
    (found,) = count_violations(
        frame, policies=[policy], catalog=CATALOG, evidence=BERLIN, feature_types={}
    )
    assert found.policy == "adults"
    assert found.found == "customer.age >= 18 does not hold for customer.age=17.0"
    assert found.at_ms == int(NOON.timestamp() * 1_000)


def test_an_action_the_catalog_does_not_have_is_refused():
    with pytest.raises(EvaluationRefusedError, match="decision d0 chose hat"):
        recount(log(("hat", "web.hero", NOON)), CAP)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604_800), ("12h", 43_200), ("P7D", 604_800), ("P1DT12H", 129_600), (90, 90)],
)
def test_durations(text, seconds):
    assert duration_seconds(text) == seconds


def test_a_duration_that_is_none_is_refused():
    with pytest.raises(EvaluationRefusedError, match="'soon' is not a duration"):
        duration_seconds("soon")


def test_policies_are_read_as_plain_data(tmp_path):
    (tmp_path / "a.yaml").write_text("policies:\n  - {id: one, kind: lever}\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("features: []\n", encoding="utf-8")
    assert read_policies(tmp_path) == [{"id": "one", "kind": "lever"}]


def test_what_another_system_took_fills_a_cap_and_is_not_against_it():
    days = (0, 1, 2, 3)
    frame = log(
        *(("coat", "email.body", NOON + timedelta(days=day)) for day in days),
        source=["shadow", "shadow", "shadow", "live"],
    )
    assert recount(frame, CAP) == ["d3"]
