"""The compiled set: rows as decisions read them, what is described, and two customers as one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.consent import consent_code
from nba.domain.customer import Event
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, DefinitionError, InputError
from nba.expressions import Level, Symbol, ValueType, compile_program, parse
from nba.features import FeatureSet, StoredLayout
from nba.features.profile import read_head

DAY_MS = 86_400_000


def test_columns_are_by_kind_and_then_by_name(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.context("basket"),
            make.derived("zz", "customer.age + 1.0"),
            make.ratio("a_ratio", "orders", "spend"),
            make.aggregate("orders"),
            make.interaction("clicks", "click"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("grouped", by="category"),
            make.cross("mine", "grouped", "placement.channel"),
            make.action("age_of_action", "action.days_since_launch"),
            make.interaction("seen", window="7d"),
            make.attribute("likes", "set", values=("b", "a")),
            make.attribute("age"),
        ],
        [make.buy],
        segments=[make.segment("young", "customer.age < 30.0")],
        catalog=make.catalog,
    )
    assert features.names == (
        *("age", "likes[b]", "likes[a]"),
        *("clicks", "orders", "spend", "a_ratio"),
        *("mine[email]", "mine[web]", "age_of_action[2025-06-01]"),
        *("seen", "basket", "zz", "segment_young"),
    )
    assert features.hidden == {"mine[email]", "mine[web]", "age_of_action[2025-06-01]"}
    assert features.candidate_names == ("age_of_action", "mine")
    assert features.contact_seconds == 7 * 86_400


def test_a_customer_never_seen_has_bought_nothing(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "gold"), default="gold"),
            make.attribute("since", "date", default=30.0),
            make.attribute("likes", "set", values=("a", "b")),
            make.aggregate("orders"),
            make.context("basket"),
            make.context("device", "enum", values=("web", "app"), default="app"),
        ],
        [make.buy],
    )
    view = features.read(None, at_ms=make.now_ms)
    assert (view.consents, view.time_zone, view.locale, view.guard_version) == ({}, None, None, 0)
    assert view.features.dtype == np.float32
    nan = np.nan
    np.testing.assert_array_equal(view.features, [nan, nan, nan, 30, 1, 0, nan, 1])
    empty, _ = features.update(None, make.update(), at_ms=make.now_ms)
    np.testing.assert_array_equal(features.read(empty, at_ms=make.now_ms).features, view.features)


def test_reading_a_view_does_not_change_the_next_one(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [])
    features.read(None, at_ms=0).features[0] = 7.0
    assert np.isnan(features.read(None, at_ms=0).features[0])


def test_inline_attributes_override_for_this_once_only(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("score", default=1.0),
            make.attribute("likes", "set", values=("a", "b")),
            make.derived("twice", "customer.age * 2.0"),
        ],
        [],
    )
    attributes = {"age": 40, "score": 2, "likes": ["a"]}
    profile, _ = features.update(None, make.update(attributes=attributes), at_ms=make.now_ms)
    inline = make.row(features, profile, attributes={"age": 20, "likes": ["b"]})
    assert list(inline.values()) == [20.0, 0.0, 1.0, 2.0, 40.0]
    assert list(make.row(features, profile).values()) == [40.0, 1.0, 0.0, 2.0, 80.0]


def test_sets_are_read_as_a_bool_for_each_value(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.attribute("likes", "set", values=("jazz", "être", "a b"))],
        [],
        segments=[
            make.segment("jazzy", '"jazz" in customer.likes'),
            make.segment("quiet", '!("jazz" in customer.likes) && !("a b" in customer.likes)'),
        ],
    )

    def after(*updates: Any) -> list[float]:
        profile = None
        for likes in updates:
            profile, _ = features.update(
                profile, make.update(attributes={"likes": likes}), at_ms=make.now_ms
            )
        return list(make.row(features, profile).values())

    assert features.names[:3] == ("likes[jazz]", "likes[être]", "likes[a b]")
    np.testing.assert_equal(after(), [np.nan] * 5)
    assert after(["être", "jazz", "jazz"]) == [1, 1, 0, 1, 0]
    assert after(["jazz"], []) == [0, 0, 0, 0, 1]  # none of them is not missing
    np.testing.assert_equal(after(["jazz"], None), [np.nan] * 5)
    with pytest.raises(InputError, match="a list of any of: jazz, être, a b"):
        after(["rock"])


def test_dates_and_recency_grow_with_time(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.attribute("since", "date"), make.aggregate("quiet", "recency")], [make.buy]
    )
    at_ms = 20_000 * DAY_MS
    profile, _ = features.update(None, make.update(attributes={"since": "2024-10-05"}), at_ms=at_ms)
    profile = features.apply(profile, make.event(at_ms, received_at_ms=at_ms))
    assert make.row(features, profile, at_ms + 6 * 3_600_000) == {"since": -0.75, "quiet": 0.25}


def test_events_raise_the_version_but_not_the_guard_version(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("orders")], [make.buy, make.opened])
    profile, _ = features.update(
        None, make.update(consents={"sms": {"service": make.denied}}), at_ms=make.now_ms
    )
    again = features.apply(profile, make.event())
    assert (profile[4:12], again[4:12]) == (b"\1\0\0\0\1\0\0\0", b"\2\0\0\0\1\0\0\0")
    events = [make.event(), make.event(name="App Opened"), make.event()]
    three = features.apply_moves(again, features.moves(events))
    assert three[4:12] == b"\5\0\0\0\1\0\0\0"  # one for each, whether it moves anything or not
    assert make.row(features, three) == {"orders": 3.0}


def test_moves_of_mixed_events_are_in_order(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("n", event="App Opened"),
        ],
        [make.buy, make.opened],
    )
    events = [
        make.event(amount=1.0),
        make.event(name="App Opened", received_at_ms=make.now_ms + 1_999),
        make.event(make.now_ms - 1, amount=2.0),
        make.event(),
    ]
    moves = features.moves(events)
    found = [(m.slots.tolist(), m.at_seconds, m.received_seconds) for m in moves]
    second = make.now_ms // 1_000
    opened, bought = moves[1].slots.tolist(), moves[0].slots.tolist()
    assert found == [
        (bought, second, second),
        (opened, second, second + 1),
        (bought, second - 1, second),
        (bought, second, second),
    ]
    assert sorted(opened + bought) == [0, 1]
    np.testing.assert_equal([m.amounts.tolist() for m in moves], [[1], [1], [2], [np.nan]])
    assert features.moves([]) == []


def test_an_undeclared_event_is_refused(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.aggregate("orders"), make.interaction("clicks", "click")], [make.buy]
    )
    assert features.declares("buy")
    assert not features.declares("Buy")
    assert not features.declares("nba.click")  # of the service, not of a client
    with pytest.raises(InputError, match="/event: event 'Buy' is not declared"):
        features.apply(None, make.event(name="Buy"))


def test_schema_names_the_columns_that_conditions_read(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("tier", "enum", values=("none", "gold")),
            make.attribute("since", "date"),
            make.attribute("likes", "set", values=("a",)),
            make.aggregate("orders_30d", window="30d"),
            make.aggregate("top", "top", property="category", values=("home", "kids")),
            make.aggregate("gift", "last", property="gift"),
            make.aggregate("grouped", by="category"),
            make.cross("mine", "grouped"),
            make.context("urgent", "bool"),
            make.derived("is_new", "customer.orders_30d < 1.0", "bool"),
            make.action("branch", "action.term:product@1"),
        ],
        [make.buy],
        segments=[make.segment("golden", 'customer.tier == "gold"')],
        catalog=make.catalog,
    )
    number, flag, word = ValueType.NUMBER, ValueType.BOOL, ValueType.STRING
    symbols: list[tuple[str, ValueType, int, tuple[str, ...]]] = [
        ("customer.likes[a]", flag, 0, ()),
        ("customer.since", number, 1, ()),
        ("customer.tier", word, 2, ("none", "gold")),
        ("customer.gift", flag, 3, ()),
        ("customer.orders_30d", number, 4, ()),
        ("customer.top", word, 5, ("home", "kids")),
        ("request.urgent", flag, 10, ()),
        ("customer.is_new", flag, 11, ()),
        ("segment.golden", flag, 12, ()),
    ]
    schema = features.schema()
    assert schema == {
        path: Symbol(path, type_, Level.SITUATION, column, values)
        for path, type_, column, values in symbols
    }
    assert features.categories == {"tier": ("none", "gold"), "top": ("home", "kids")}
    profile, _ = features.update(
        None, make.update(attributes={"tier": "gold", "likes": ["a"]}), at_ms=make.now_ms
    )
    profile = features.apply(profile, make.event(category="kids", gift=True))
    view = features.read(profile, at_ms=make.now_ms, context={"urgent": True})
    conditions = [
        'customer.tier == "gold" && customer.orders_30d >= 1.0 && request.urgent',
        '"a" in customer.likes && customer.gift && customer.top == "kids"',
        "segment.golden && !customer.is_new",
    ]
    program = compile_program([parse(text, schema) for text in conditions])
    found = program.run(view.features.astype(np.float64), np.zeros((1, 0)))
    assert found.tolist() == [[1], [1], [1]]


def test_describe_gives_what_is_kept_in_words(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("since", "date"),
            make.attribute("likes", "set", values=("a", "b")),
            make.attribute("hates", "set", values=("a", "b")),
            make.aggregate("orders_7d", window="7d"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("gift_quiet", "recency", where="properties.gift"),
            make.aggregate("gift", "last", property="gift"),
            make.aggregate("top", "top", property="category", values=("home", "kids")),
            make.interaction("clicks", "click"),
            make.context("basket"),
        ],
        [make.buy],
        segments=[
            make.segment("spender", "customer.spend > 10.0"),
            make.segment("saver", "customer.spend <= 10.0"),
            make.segment("big_basket", "request.basket > 10.0"),
        ],
    )
    profile, _ = features.update(
        None,
        make.update(
            attributes={"age": 19.99, "since": "2021-05-06", "likes": ["b"]},
            consents={"email": {"marketing": make.granted}, "sms": {"service": make.denied}},
            time_zone="Africa/Lagos",
            locale="yo-NG",
        ),
        at_ms=make.now_ms,
    )
    profile = features.apply(profile, make.event(amount=12.3, category="kids", gift=False))
    sms = consent_code("sms", "service")
    names = {consent_code("email", "marketing"): ("email", "marketing")}
    assert features.describe(profile, at_ms=make.now_ms, consent_names=names) == {
        "attributes": {"age": 19.99, "since": "2021-05-06", "likes": ["b"], "hates": None},
        "consents": {"email": {"marketing": "granted"}, "unknown": {f"{sms:08x}": "denied"}},
        "audiences": [],
        "time_zone": "Africa/Lagos",
        "locale": "yo-NG",
        "aggregates": {
            "clicks": 0.0,
            "gift": False,
            "gift_quiet": None,
            "orders_7d": 1.0,
            "spend": 12.3,
            "top": "kids",
        },
        "segments": ["spender"],
    }
    later = features.describe(profile, at_ms=make.now_ms + 8 * DAY_MS)
    assert later["aggregates"]["orders_7d"] == 0.0


@pytest.fixture(scope="module")
def everything(make: SimpleNamespace) -> FeatureSet:
    """Return a set with every kind of stored thing."""
    return FeatureSet(
        [
            make.attribute("age", freshness="90d"),
            make.attribute("likes", "set", values=("a", "b")),
            make.aggregate("quiet", "recency"),
            make.aggregate("first", "first", property="amount", window="7d"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("mean", "mean", property="amount", window="7d"),
            make.aggregate("fading", "decayed_count", half_life="1d"),
            make.aggregate("kinds", "distinct", property="category", limit=3),
            make.aggregate("top", "top", property="category", values=("home", "kids")),
            make.aggregate("by", "max", property="amount", by="category", window="1d", limit=3),
            make.cross("mine", "by"),
            make.interaction("clicks", "click", by="product@1"),
        ],
        [make.buy],
        segments=[make.segment("spender", "customer.spend > 10.0")],
        catalog=make.catalog,
    )


purchases = st.lists(
    st.tuples(
        st.integers(0, 9 * DAY_MS),
        st.fixed_dictionaries(
            {},
            optional={
                "amount": st.integers(-4_000, 4_000).map(lambda amount: amount / 4),
                "gift": st.booleans(),
                "category": st.sampled_from(["home", "kids", "card", "שלום", ""]),
            },
        ),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=50)
@given(purchases, st.data())
def test_a_profile_cut_anywhere_is_never_opened(
    make: SimpleNamespace,
    everything: FeatureSet,
    bought: list[tuple[int, dict[str, Any]]],
    data: st.DataObject,
) -> None:
    features = everything
    profile, _ = features.update(
        None,
        make.update(time_zone="Asia/Tokyo", locale="ja", consents={"a": {"b": make.granted}}),
        at_ms=make.now_ms,
    )
    events = [make.event(make.now_ms - ago, **said) for ago, said in bought]
    profile = features.apply_moves(profile, features.moves(events))
    size = data.draw(st.integers(0, len(profile) - 1))
    for wrong in (profile[:size], profile + b"\0", profile + profile):
        for open_it in (
            lambda packed: features.read(packed, at_ms=make.now_ms),
            lambda packed: features.describe(packed, at_ms=make.now_ms),
            lambda packed: features.apply(packed, make.event()),
            lambda packed: features.update(packed, make.update(), at_ms=make.now_ms),
            lambda packed: features.merge(packed, None, at_ms=make.now_ms),
            lambda packed: features.merge(None, packed, at_ms=make.now_ms),
        ):
            with pytest.raises(CorruptRecordError):
                open_it(wrong)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_bytes_are_read_or_refused_and_never_crash(
    make: SimpleNamespace, everything: FeatureSet, data: st.DataObject
) -> None:
    features = everything
    events = [make.event(amount=3.5, category=word) for word in ("home", "kids", "card")]
    damaged = bytearray(features.apply_moves(None, features.moves(events)))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for open_it in (
        lambda packed: features.read(packed, at_ms=make.now_ms),
        lambda packed: features.apply(packed, make.event(amount=1.0, category="new")),
        lambda packed: features.merge(packed, packed, at_ms=make.now_ms),
    ):
        try:
            open_it(bytes(damaged))
        except CorruptRecordError:
            continue


def test_two_layouts_under_one_id_are_refused(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [])
    false = StoredLayout((), ())
    object.__setattr__(false, "layout_id", features.layout_id)
    with pytest.raises(DefinitionError, match="two layouts share the id"):
        features.with_previous([false])


def test_plain_data_gives_the_same_set_back(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age", default=1.0, unit="years", tags=("personal",), freshness="9d"),
            make.attribute("tier", "enum", values=("a", "b"), default="b"),
            make.attribute("likes", "set", values=("a", "b")),
            make.aggregate("gifts_7d", window="7d", where="properties.gift"),
            make.aggregate("orders"),
            make.aggregate("top", "top", property="category", values=("a", "b"), rank=2),
            make.aggregate("fading", "decayed_count", half_life="1d", by="category", limit=9),
            make.ratio("share", "gifts_7d", "orders", default=0.5),
            make.interaction("clicks", "click", by="product@1"),
            make.interaction("seen", window="1d", where='properties.channel == "web"'),
            make.cross("mine", "fading"),
            make.cross("line", "clicks", "action.term:product@1"),
            make.derived("twice", "customer.orders * 2.0"),
            make.context("urgent", "bool", default=True),
            make.context("basket", minimum=1.0),
            make.action("branch", "action.term:product@1"),
            make.action("credit", "action.has_term:product:credit"),
        ],
        [make.buy, make.opened],
        segments=[make.segment("golden", 'customer.tier == "b"')],
    )
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(features.to_builtins()))
    again = FeatureSet.from_builtins(data)
    assert again.definitions == features.definitions
    assert again.events == features.events
    assert again.segments == features.segments
    assert again.layout_id == features.layout_id
    assert again.names == features.names
    assert not features.hidden
    with_words = FeatureSet.from_builtins(data, catalog=make.catalog)
    assert with_words.names == features.for_catalog(make.catalog).names
    assert {"mine[card]", "line[credit]"} <= with_words.hidden
    profile = again.apply(None, make.event(gift=True))
    assert profile == with_words.apply(None, make.event(gift=True))
    assert make.row(again, profile)["gifts_7d"] == 1.0


def interaction(make: SimpleNamespace, features: FeatureSet, kind: str, **more: Any) -> Any:
    given = {"action": make.card, "placement": make.web, "at_ms": make.now_ms} | more
    return features.interaction(
        kind,
        given["action"],
        given["placement"],
        customer_id=CustomerId("anna"),
        message_id="m9",
        at_ms=given["at_ms"],
        received_at_ms=make.now_ms + 5,
    )


def test_an_outcome_becomes_an_event_with_the_groups_asked_for(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.interaction("clicks", "click"),
            make.interaction("lines", "click", by="product@2"),
            make.interaction("journeys", "click", by="journey@1"),
            make.interaction("accepts", "accept", by="action"),
        ],
        [],
        catalog=make.catalog,
    )
    usual = {"action": "card", "placement": "web.home", "channel": "web"}
    assert interaction(make, features, "click") == Event(
        customer_id=CustomerId("anna"),
        name="nba.click",
        message_id="m9",
        at_ms=make.now_ms,
        received_at_ms=make.now_ms + 5,
        properties={**usual, "term_product_2": "credit/card", "term_journey_1": "onboarding"},
    )
    assert interaction(make, features, "accept").properties == usual
    receipt = interaction(make, features, "click", action=make.receipt).properties
    assert receipt == {**usual, "action": "receipt", "term_product_2": "service"}
    assert interaction(make, features, "reject") is None
    assert features.counts_interactions
    assert not FeatureSet([make.interaction("seen", window="1d")], []).counts_interactions


def test_outcomes_count_where_by_and_in_their_window(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.interaction("clicks", "click"),
            make.interaction("clicks_1h", "click", window="1h"),
            make.interaction("on_web", "click", where='properties.channel == "web"'),
            make.interaction("quiet", "click", function="recency"),
            make.interaction("fading", "click", function="decayed_count", half_life="1h"),
            make.interaction("per_line", "click", by="product@1"),
            make.cross("line_clicks", "per_line", "action.term:product@1"),
            make.interaction("per_channel", "click", by="channel"),
            make.cross("channel_clicks", "per_channel", "placement.channel"),
        ],
        [],
        catalog=make.catalog,
    )
    hours = 3_600_000
    events = [
        interaction(make, features, "click"),
        interaction(make, features, "click", at_ms=make.now_ms - 2 * hours, placement=make.email),
        interaction(make, features, "click", at_ms=make.now_ms - hours, action=make.receipt),
    ]
    row = make.row(features, make.played(features, events))
    assert row["clicks"] == 3.0
    assert row["clicks_1h"] == 1.0
    assert row["on_web"] == 2.0
    assert row["quiet"] == 0.0
    assert row["fading"] == 1.75
    assert (row["line_clicks[credit]"], row["line_clicks[service]"]) == (2.0, 1.0)
    assert (row["channel_clicks[email]"], row["channel_clicks[web]"]) == (1.0, 2.0)


def merging(make: SimpleNamespace) -> FeatureSet:
    amount = {"property": "amount"}
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("score", freshness="90d"),
            make.attribute("likes", "set", values=("a", "b")),
            make.aggregate("orders_1h", window="1h"),
            make.aggregate("mean", "mean", **amount),
            make.aggregate("least", "min", **amount),
            make.aggregate("most", "max", **amount, window="1d"),
            make.aggregate("first", "first", **amount),
            make.aggregate("last", "last", **amount),
            make.aggregate("fading", "decayed_sum", **amount, half_life="1h"),
            make.aggregate("kinds", "distinct", property="category", limit=2),
            make.aggregate("top", "top", property="category", values=("card", "loan")),
            make.aggregate("by", "sum", **amount, by="category", limit=2),
            make.cross("mine", "by"),
        ],
        [make.buy],
        catalog=make.catalog,
    )


def test_two_customers_become_one_with_the_events_of_both(make: SimpleNamespace) -> None:
    features = merging(make)
    minute = 60_000
    mine = [
        make.event(make.now_ms - 70 * minute, amount=1, category="card"),
        make.event(make.now_ms - 60 * minute, amount=4, category="loan"),
        make.event(make.now_ms - 3 * minute, amount=2, category="loan"),
    ]
    theirs = [
        make.event(make.now_ms - 90 * minute, amount=8, category="card"),
        make.event(make.now_ms - 120 * minute, amount=-5, category="home"),
        make.event(make.now_ms, amount=3, category="receipt"),
    ]
    one, other = make.played(features, mine), make.played(features, theirs)
    merged = features.merge(one, other, at_ms=make.now_ms)
    row = make.row(features, merged)
    expected = make.row(features, make.played(features, [*mine, *theirs]))
    assert row["orders_1h"] == expected["orders_1h"] == 2.0
    assert row["mean"] == expected["mean"] == np.float32(13 / 6)
    assert (row["least"], row["most"], row["first"], row["last"]) == (-5.0, 8.0, -5.0, 3.0)
    np.testing.assert_allclose(row["fading"], expected["fading"], rtol=1e-6)
    assert (row["kinds"], row["top"]) == (2.0, 0.0)
    assert [row[f"mine[{word}]"] for word in ("card", "loan", "receipt")] == [0.0, 6.0, 3.0]
    assert read_head(merged).version == 4
    # Merged the other way round only ties and attributes could differ.
    back = make.row(features, features.merge(other, one, at_ms=make.now_ms))
    np.testing.assert_allclose(list(back.values()), list(row.values()), rtol=1e-6)


def test_what_a_customer_said_of_themselves_wins_over_the_other_but_no_is_no(
    make: SimpleNamespace,
) -> None:
    features = merging(make)
    mine, _ = features.update(
        None,
        make.update(
            attributes={"age": 40, "likes": ["a"]},
            consents={
                "email": {"marketing": make.granted, "service": make.granted},
                "sms": {"marketing": make.denied},
            },
            locale="fr",
        ),
        at_ms=make.now_ms,
    )
    theirs, _ = features.update(
        None,
        make.update(
            attributes={"age": 50, "score": 7, "likes": ["b"]},
            consents={
                "email": {"marketing": make.denied},
                "sms": {"marketing": make.granted},
                "push": {"marketing": make.granted},
            },
            time_zone="Asia/Tokyo",
            locale="ja",
        ),
        at_ms=make.now_ms - 80 * DAY_MS,
    )
    view = features.read(features.merge(mine, theirs, at_ms=make.now_ms), at_ms=make.now_ms)
    row = dict(zip(features.names, view.features.tolist(), strict=True))
    found = [row[name] for name in ("age", "score", "likes[a]", "likes[b]")]
    assert found == [40.0, 7.0, 1.0, 0.0]
    assert view.consents == {
        consent_code("email", "marketing"): False,
        consent_code("email", "service"): True,
        consent_code("sms", "marketing"): False,
        consent_code("push", "marketing"): True,
    }
    assert (view.time_zone, view.locale) == ("Asia/Tokyo", "fr")
    assert view.guard_version == 2
    # What was taken over is as old as it was.
    merged = features.merge(mine, theirs, at_ms=make.now_ms)
    assert np.isnan(make.row(features, merged, make.now_ms + 11 * DAY_MS)["score"])


def test_merging_nobody_changes_nothing_but_the_version(make: SimpleNamespace) -> None:
    features = merging(make)
    profile, _ = features.update(
        None, make.update(consents={"a": {"b": make.denied}}), at_ms=make.now_ms
    )
    profile = features.apply(profile, make.event(amount=3.5, category="card"))
    for merged in (
        features.merge(profile, None, at_ms=make.now_ms),
        features.merge(None, profile, at_ms=make.now_ms),
    ):
        assert merged[12:] == profile[12:]
    assert read_head(features.merge(profile, None, at_ms=make.now_ms))[1:3] == (3, 1)


@pytest.fixture(scope="module")
def order_has_no_say(make: SimpleNamespace) -> FeatureSet:
    """Return a set whose values do not depend on the order of arrival."""
    amount = {"property": "amount"}
    return FeatureSet(
        [
            make.aggregate("n", window="1d"),
            make.aggregate("spend", "sum", **amount, window="7d"),
            make.aggregate("least", "min", **amount, window="1d"),
            make.aggregate("most", "max", **amount),
            make.aggregate("first", "since_first"),
            make.aggregate("quiet", "recency", window="7d"),
            make.aggregate("kinds", "distinct", property="category", limit=2),
            make.aggregate("top", "top", property="category", values=("kids", "home")),
            make.aggregate("by", by="category", window="7d"),
            make.cross("mine", "by"),
        ],
        [make.buy],
        catalog=make.catalog,
    )


@settings(deadline=None, max_examples=80)
@given(purchases, purchases)
def test_merging_is_counting_the_events_of_both(
    make: SimpleNamespace,
    order_has_no_say: FeatureSet,
    mine: list[tuple[int, dict[str, Any]]],
    theirs: list[tuple[int, dict[str, Any]]],
) -> None:
    features = order_has_no_say
    empty = features.apply_moves(None, [])

    def events(bought: list[tuple[int, dict[str, Any]]]) -> list[Event]:
        return [make.event(make.now_ms - ago, **said) for ago, said in bought]

    one = features.apply_moves(empty, features.moves(events(mine)))
    other = features.apply_moves(empty, features.moves(events(theirs)))
    merged = features.merge(one, other, at_ms=make.now_ms)
    both = features.apply_moves(empty, features.moves(events(mine + theirs)))
    for later_ms in (0, 5 * 3_600_000, 3 * DAY_MS):
        expected = list(make.row(features, both, make.now_ms + later_ms).values())
        found = list(make.row(features, merged, make.now_ms + later_ms).values())
        np.testing.assert_array_equal(found, expected)


def test_merge_reads_both_under_older_layouts(make: SimpleNamespace) -> None:
    old = FeatureSet([make.aggregate("n")], [make.buy])
    new = FeatureSet(
        [make.aggregate("n"), make.aggregate("spend", "sum", property="amount")],
        [make.buy],
        previous=[old.layout],
    )
    mine, theirs = old.apply(None, make.event()), new.apply(None, make.event(amount=4))
    row = make.row(new, new.merge(mine, theirs, at_ms=make.now_ms))
    assert row == {"n": 2.0, "spend": 4.0}
