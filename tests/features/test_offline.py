"""Point-in-time values: what had arrived by then, whenever it happened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from nba.domain.ids import FeatureName
from nba.errors import InputError
from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction, InteractionFeature
from nba.features.definitions import (
    AttributeFeature,
    ContextFeature,
    DerivedFeature,
    EventDefinition,
    FeatureType,
    PropertyType,
    SegmentDefinition,
)
from nba.features.offline import asked_by, point_in_time

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOON_MS = 20_000 * DAY_MS + 12 * HOUR_MS  # noon of 2024-10-04, UTC

BUY = EventDefinition(
    name="buy",
    description="Bought.",
    properties={
        "amount": PropertyType.NUMBER,
        "kind": PropertyType.STRING,
        "gift": PropertyType.BOOL,
    },
)


def aggregate(name: str, function: str, **more: Any) -> AggregateFeature:
    return AggregateFeature(
        name=FeatureName(name),
        description="",
        event="buy",
        function=AggregateFunction(function),
        **more,
    )


FEATURES = FeatureSet(
    [
        aggregate("buys", "count"),
        aggregate("buys_12d", "count", window="12d"),
        aggregate("spent", "sum", property="amount"),
        aggregate("gifts", "count", where="properties.gift"),
        aggregate("last_kind", "last", property="kind", values=("shoe", "hat")),
        aggregate("kinds", "distinct", property="kind"),
        aggregate("buy_days", "recency"),
        AttributeFeature(
            name=FeatureName("tier"), description="", type=FeatureType.ENUM, values=("none", "gold")
        ),
        AttributeFeature(
            name=FeatureName("income"), description="", type=FeatureType.NUMBER, freshness="10d"
        ),
        ContextFeature(
            name=FeatureName("device"), description="", type=FeatureType.ENUM, values=("web", "app")
        ),
        InteractionFeature(
            name=FeatureName("contacts_1d"), description="", of="decision", window="1d"
        ),
        InteractionFeature(name=FeatureName("clicks"), description="", of="click"),
        DerivedFeature(
            name=FeatureName("spent_by_income"),
            description="",
            expression="customer.spent / customer.income",
        ),
    ],
    [BUY],
    segments=[SegmentDefinition(name="loyal", description="", condition="customer.buys >= 2.0")],
)


def event(
    customer: str,
    message_id: str,
    at_ms: int,
    *,
    received_ms: int | None = None,
    properties: str = "{}",
    name: str = "buy",
) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "name": name,
        "message_id": message_id,
        "at": at_ms,
        "received_at": at_ms if received_ms is None else received_ms,
        "properties": properties,
    }


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = dict.fromkeys(("customer_id", "name", "message_id", "properties"), pl.String())
    return pl.DataFrame(rows, schema=schema | {"at": pl.Int64(), "received_at": pl.Int64()})


def ask(*moments: int, customer: str = "ann", **columns: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": [customer] * len(moments), "at": moments, **columns})


def column(frame: pl.DataFrame, name: str) -> list[Any]:
    return frame[f"f_{name}"].to_list()


def test_an_event_is_seen_from_when_it_arrived_not_from_when_it_happened() -> None:
    # It happened at noon and arrived two days later: unknown until then, and in its own day's
    # place afterwards, so recency counts from noon.
    late = event("ann", "m1", NOON_MS, received_ms=NOON_MS + 2 * DAY_MS)
    asked = ask(
        NOON_MS + DAY_MS, NOON_MS + 2 * DAY_MS - 1, NOON_MS + 2 * DAY_MS, NOON_MS + 3 * DAY_MS
    )
    found = point_in_time(FEATURES, events(late), asked)
    assert column(found, "buys") == [0.0, 0.0, 1.0, 1.0]
    assert column(found, "buy_days") == [None, None, 2.0, 3.0]


def test_an_event_that_arrives_too_late_for_a_window_counts_for_ever_only() -> None:
    # A window of 12 d has tiles of 1 d. Day 20000 arrives on day 20013: out of every window.
    late = event("ann", "m1", NOON_MS, received_ms=NOON_MS + 13 * DAY_MS)
    found = point_in_time(FEATURES, events(late), ask(NOON_MS + 13 * DAY_MS))
    assert column(found, "buys") == [1.0]
    assert column(found, "buys_12d") == [0.0]


def test_a_window_holds_its_tile_and_eleven_before() -> None:
    found = point_in_time(
        FEATURES,
        events(event("ann", "m1", NOON_MS)),
        ask(NOON_MS + 11 * DAY_MS, 20_012 * DAY_MS - 1, 20_012 * DAY_MS),
    )
    assert column(found, "buys_12d") == [1.0, 1.0, 0.0]


def test_a_message_that_comes_again_the_same_or_next_day_moves_nothing() -> None:
    again = [
        event("ann", "m1", NOON_MS, properties='{"amount": 5}'),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + HOUR_MS, properties='{"amount": 7}'),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + DAY_MS, properties='{"amount": 9}'),
        event("bob", "m1", NOON_MS, properties='{"amount": 11}'),
    ]
    found = point_in_time(FEATURES, events(*again), ask(NOON_MS + 2 * DAY_MS))
    assert column(found, "spent") == [5.0]
    bob = point_in_time(FEATURES, events(*again), ask(NOON_MS + DAY_MS, customer="bob"))
    assert column(bob, "spent") == [11.0]


def test_a_message_is_forgotten_after_the_next_day_as_online() -> None:
    # Applied on day 20000; a repeat on day 20001 changes nothing, also not the day remembered.
    rows = [
        event("ann", "m1", NOON_MS),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + DAY_MS),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + 2 * DAY_MS),
    ]
    found = point_in_time(FEATURES, events(*rows), ask(NOON_MS + DAY_MS, NOON_MS + 2 * DAY_MS))
    assert column(found, "buys") == [1.0, 2.0]


def test_the_first_to_arrive_wins_whatever_the_order_of_the_rows() -> None:
    rows = [
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + 60_000, properties='{"amount": 7}'),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS, properties='{"amount": 5}'),
    ]
    found = point_in_time(FEATURES, events(*rows), ask(NOON_MS + HOUR_MS))
    assert column(found, "spent") == [5.0]


def test_events_of_one_millisecond_come_by_version_then_by_row() -> None:
    rows = events(
        event("ann", "m1", NOON_MS, properties='{"kind": "shoe"}'),
        event("ann", "m2", NOON_MS, properties='{"kind": "hat"}'),
    )
    assert column(point_in_time(FEATURES, rows, ask(NOON_MS)), "last_kind") == ["hat"]
    turned = rows.with_columns(version=pl.Series([2, 1]))
    assert column(point_in_time(FEATURES, turned, ask(NOON_MS)), "last_kind") == ["shoe"]


def test_a_profile_that_was_gone_begins_anew_with_version_one() -> None:
    rows = events(*(event("ann", f"m{i}", NOON_MS + i * DAY_MS) for i in range(4)))
    told = updates(("ann", NOON_MS + 2 * HOUR_MS, "api", '{"tier": "gold"}'))
    asked = ask(*(NOON_MS + i * DAY_MS for i in range(1, 4)))
    found = point_in_time(
        FEATURES,
        rows.with_columns(version=pl.Series([1, 3, 1, 2])),
        asked,
        told.with_columns(version=pl.Series([2])),
    )
    assert column(found, "buys") == [2.0, 1.0, 2.0]
    assert column(found, "tier") == ["gold", None, None]


def test_late_rows_of_many_customers_each_land_in_their_own_past() -> None:
    # Each customer buys daily for 4 days; every second purchase arrives 36 hours late.
    rows = [
        event(
            customer,
            f"{customer}{day}",
            NOON_MS + day * DAY_MS,
            received_ms=NOON_MS + day * DAY_MS + (36 * HOUR_MS if day % 2 else 0),
            properties=f'{{"amount": {10**day}}}',
        )
        for customer in ("ann", "bob")
        for day in range(4)
    ]
    moments = [NOON_MS + day * DAY_MS for day in range(5)]
    # Day 1 (10) arrives at midnight before day 3; day 3 (1000) at midnight before day 5.
    expected = [1.0, 1.0, 101.0, 111.0, 111.0]
    for customer in ("bob", "ann"):
        found = point_in_time(FEATURES, events(*reversed(rows)), ask(*moments, customer=customer))
        assert column(found, "spent") == expected


def test_what_is_refused_online_is_left_out_whole() -> None:
    rows = [
        event("ann", "m1", NOON_MS, properties='{"amount": "7", "kind": "hat"}'),
        event("ann", "m2", NOON_MS, properties='{"amount": true}'),
        event("ann", "m3", NOON_MS, properties='{"amount": 2e30}'),
        event("ann", "m4", NOON_MS, properties='{"gift": 1}'),
        event("ann", "m5", NOON_MS, properties="not JSON"),
        event("ann", "m6", 1_000),
        event("ann", "m7", NOON_MS + HOUR_MS, received_ms=NOON_MS),
        event("ann", "m8", NOON_MS, name="unheard of"),
        event("ann", "x" * 129, NOON_MS),
        event("ann", "m9", NOON_MS, properties='{"amount": 3, "other": [1]}'),
    ]
    found = point_in_time(FEATURES, events(*rows), ask(NOON_MS + HOUR_MS))
    assert column(found, "buys") == [1.0]
    assert column(found, "spent") == [3.0]
    assert column(found, "kinds") == [0.0]


def test_a_refused_message_may_come_again_put_right() -> None:
    rows = [
        event("ann", "m1", NOON_MS, properties='{"amount": "7"}'),
        event("ann", "m1", NOON_MS, received_ms=NOON_MS + 1, properties='{"amount": 7}'),
    ]
    assert column(point_in_time(FEATURES, events(*rows), ask(NOON_MS + 1)), "spent") == [7.0]


def test_typed_columns_are_read_as_json_is() -> None:
    said = [
        '{"amount": 2.5, "kind": "hat", "gift": true}',
        '{"amount": -0.0, "kind": "מגף 🥾"}',
        "{}",
    ]
    rows = events(
        *(event("ann", f"m{i}", NOON_MS + i, properties=text) for i, text in enumerate(said))
    )
    typed = rows.drop("properties").with_columns(
        p_amount=pl.Series([2.5, -0.0, None]),
        p_kind=pl.Series(["hat", "מגף 🥾", None]).cast(pl.Categorical),
        p_gift=pl.Series([True, None, None]),
    )
    asked = ask(NOON_MS, NOON_MS + 1, NOON_MS + 2)
    found = point_in_time(FEATURES, rows, asked)
    assert column(found, "spent") == [2.5, 2.5, 2.5]
    assert column(found, "kinds") == [1.0, 2.0, 2.0]
    assert column(found, "gifts") == [1.0, 1.0, 1.0]
    assert found.equals(point_in_time(FEATURES, typed.lazy(), asked))


def test_a_typed_number_out_of_range_is_refused() -> None:
    rows = events(*(event("ann", f"m{i}", NOON_MS) for i in range(3))).drop("properties")
    rows = rows.with_columns(p_amount=pl.Series([math.nan, math.inf, 1.0]))
    found = point_in_time(FEATURES, rows, ask(NOON_MS))
    assert column(found, "spent") == [1.0]
    assert column(found, "buys") == [1.0]


def test_times_may_be_datetimes_or_milliseconds() -> None:
    rows = events(event("ann", "m1", NOON_MS))
    moment = pl.from_epoch(pl.col("at", "received_at"), time_unit="ms").dt.replace_time_zone("UTC")
    asked = pl.DataFrame(
        {
            "customer_id": ["ann"],
            "at": [datetime.fromtimestamp(NOON_MS / 1_000 + 3_600, UTC)],
        }
    )
    found = point_in_time(FEATURES, rows.with_columns(moment), asked)
    assert column(found, "buy_days") == [pytest.approx(1 / 24)]
    assert found["at"].dtype == asked["at"].dtype


def updates(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema=["customer_id", "received_at", "source", "attributes"], orient="row"
    )


def test_attributes_are_those_of_the_latest_update_to_have_arrived() -> None:
    told = updates(
        ("ann", NOON_MS, "api", '{"tier": "gold", "income": 100}'),
        ("ann", NOON_MS + DAY_MS, "api", '{"tier": null}'),
        ("ann", NOON_MS + 2 * DAY_MS, "api", '{"tier": "platinum", "retired": 1}'),
    )
    asked = ask(NOON_MS - 1, NOON_MS, NOON_MS + DAY_MS, NOON_MS + 2 * DAY_MS)
    found = point_in_time(FEATURES, events(), asked, told)
    assert column(found, "tier") == [None, "gold", None, None]
    assert column(found, "income") == [None, 100.0, 100.0, 100.0]


def test_an_attribute_past_its_freshness_is_missing() -> None:
    told = updates(("ann", NOON_MS, "api", '{"income": 100}'))
    asked = ask(NOON_MS + 10 * DAY_MS, NOON_MS + 10 * DAY_MS + 1_000)
    assert column(point_in_time(FEATURES, events(), asked, told), "income") == [100.0, None]


def test_an_alias_takes_over_what_was_kept_until_then() -> None:
    rows = events(
        event("old", "m1", NOON_MS, properties='{"amount": 5}'),
        event("ann", "m2", NOON_MS, properties='{"amount": 1}'),
        event("old", "m3", NOON_MS + 2 * DAY_MS, properties='{"amount": 50}'),
    )
    told = updates(
        ("old", NOON_MS, "api", '{"tier": "gold", "income": 9}'),
        ("ann", NOON_MS, "api", '{"income": 7}'),
        ("ann", NOON_MS + DAY_MS, "alias:old", "{}"),
    )
    decided = pl.DataFrame(
        {"customer_id": ["old"], "at": [NOON_MS], "action": ["card"], "placement": ["email"]}
    )
    asked = ask(NOON_MS + DAY_MS - 1, NOON_MS + DAY_MS, NOON_MS + 3 * DAY_MS)
    found = point_in_time(FEATURES, rows, asked, told, decided)
    assert column(found, "spent") == [1.0, 6.0, 6.0]
    assert column(found, "tier") == [None, "gold", "gold"]
    assert column(found, "income") == [7.0, 7.0, 7.0]
    assert column(found, "contacts_1d") == [0.0, 0.0, 0.0]
    soon = point_in_time(FEATURES, rows, ask(NOON_MS + 13 * HOUR_MS), told, decided)
    assert column(soon, "contacts_1d") == [0.0]


def test_contacts_taken_over_count_too() -> None:
    told = updates(("ann", NOON_MS + HOUR_MS, "alias:old", "{}"))
    decided = pl.DataFrame(
        {
            "customer_id": ["old", "ann", "old"],
            "at": [NOON_MS, NOON_MS, NOON_MS + 2 * HOUR_MS],
            "action": ["card"] * 3,
            "placement": ["email"] * 3,
        }
    )
    asked = ask(NOON_MS + 1, NOON_MS + HOUR_MS, NOON_MS + 3 * HOUR_MS)
    found = point_in_time(FEATURES, events(), asked, told, decided)
    assert column(found, "contacts_1d") == [1.0, 2.0, 2.0]


def test_an_alias_circle_in_a_log_ends() -> None:
    told = updates(("ann", NOON_MS, "alias:old", "{}"), ("old", NOON_MS, "alias:ann", "{}"))
    rows = events(event("ann", "m1", NOON_MS), event("old", "m2", NOON_MS))
    assert column(point_in_time(FEATURES, rows, ask(NOON_MS), told), "buys") == [2.0]


def test_contacts_are_the_decisions_strictly_before_and_nothing_is_none() -> None:
    decided = pl.DataFrame(
        {
            "customer_id": ["ann"] * 3,
            "at": [NOON_MS, NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS],
            "action": ["card", "no_action", "coat"],
            "placement": ["email"] * 3,
        }
    )
    asked = ask(NOON_MS, NOON_MS + 1, NOON_MS + 2 * HOUR_MS, NOON_MS + 3 * HOUR_MS)
    found = point_in_time(FEATURES, events(), asked, decisions=decided)
    assert column(found, "contacts_1d") == [0.0, 1.0, 1.0, 2.0]


def test_interactions_come_as_events_of_their_kind() -> None:
    click = event("ann", "o1", NOON_MS, name="nba.click", properties='{"action": "card"}')
    assert column(point_in_time(FEATURES, events(click), ask(NOON_MS - 1, NOON_MS)), "clicks") == [
        0.0,
        1.0,
    ]


def test_context_comes_with_the_question_and_derived_values_and_segments_follow() -> None:
    rows = events(
        event("ann", "m1", NOON_MS, properties='{"amount": 30}'),
        event("ann", "m2", NOON_MS + 1, properties='{"amount": 20}'),
    )
    told = updates(("ann", NOON_MS, "api", '{"income": 200}'))
    asked = ask(NOON_MS, NOON_MS + 1, device=["app", None])
    found = point_in_time(FEATURES, rows, asked, told)
    assert column(found, "device") == ["app", None]
    assert column(found, "spent_by_income") == [pytest.approx(0.15), 0.25]
    assert column(found, "segment_loyal") == [0.0, 1.0]


def test_what_was_seen_may_end_before_the_moment_asked_about() -> None:
    rows = events(event("ann", "m1", NOON_MS), event("ann", "m2", NOON_MS + 5))
    asked = ask(NOON_MS + DAY_MS, NOON_MS + DAY_MS, received_until=[NOON_MS + 4, NOON_MS + 5])
    assert column(point_in_time(FEATURES, rows, asked), "buys") == [1.0, 2.0]


def test_rows_keep_their_order_and_repeat_as_often_as_asked() -> None:
    rows = events(event("ann", "m1", NOON_MS), event("bob", "m2", NOON_MS))
    asked = pl.DataFrame(
        {
            "customer_id": ["bob", "ann", "bob", "new"],
            "at": [NOON_MS, NOON_MS - 1, NOON_MS, NOON_MS],
            "label": [1, 2, 3, 4],
        }
    )
    found = point_in_time(FEATURES, rows, asked)
    assert found["label"].to_list() == [1, 2, 3, 4]
    assert column(found, "buys") == [1.0, 0.0, 1.0, 0.0]
    assert found.schema["f_buys"] == pl.Float32
    assert found.schema["f_tier"] == pl.String


def test_nothing_asked_is_answered_with_typed_columns() -> None:
    asked = pl.DataFrame(schema={"customer_id": pl.String, "at": pl.Int64})
    found = point_in_time(FEATURES, events(event("ann", "m1", NOON_MS)), asked)
    assert found.height == 0
    assert found.schema["f_spent"] == pl.Float32


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (pl.DataFrame({"customer_id": ["ann"]}), "at/at"),
        (pl.DataFrame({"customer_id": ["ann"], "at": ["2024"]}), "at/at"),
        (
            pl.DataFrame({"customer_id": ["ann"], "at": [None]}, schema_overrides={"at": pl.Int64}),
            "at/at",
        ),
        (ask(NOON_MS, device=["fax"]), "/context/device"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(asked: pl.DataFrame, place: str) -> None:
    with pytest.raises(InputError) as raised:
        point_in_time(FEATURES, events(), asked)
    assert raised.value.faults[0].place == place


def test_events_without_their_columns_are_refused() -> None:
    with pytest.raises(InputError) as raised:
        point_in_time(FEATURES, events().drop("at", "name"), ask(NOON_MS))
    assert [fault.place for fault in raised.value.faults] == ["events/name", "events/at"]
    wrong = events(event("ann", "m1", NOON_MS)).with_columns(p_amount=pl.lit("7"))
    with pytest.raises(InputError, match="p_amount"):
        point_in_time(FEATURES, wrong, ask(NOON_MS))


def test_a_logged_decision_asks_with_the_context_it_had() -> None:
    bounded = FeatureSet(
        [
            ContextFeature(
                name=FeatureName("share"), description="", type=FeatureType.NUMBER, maximum=0.1
            ),
            ContextFeature(name=FeatureName("vip"), description="", type=FeatureType.BOOL),
        ],
        [],
    )
    logged = pl.DataFrame(
        {
            "customer_id": ["ann", "bob"],
            "at": [NOON_MS, NOON_MS],
            "f_share": pl.Series([0.1, None], dtype=pl.Float32),  # more than 0.1 by 1.5e-9
            "f_vip": pl.Series([1.0, None], dtype=pl.Float32),
            "f_retired": pl.Series([1.0, 2.0], dtype=pl.Float32),
        }
    )
    found = point_in_time(bounded, events(), asked_by(bounded, logged))
    assert column(found, "share") == [pytest.approx(0.1), None]
    assert column(found, "vip") == [1.0, None]
