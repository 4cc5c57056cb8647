"""Between a decision and its record: everything it looked at comes back as it was."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import ask

from nba.decision.answer import encode_answer
from nba.decision.pipeline import decide
from nba.decision.recording import (
    named_features,
    pack_record,
    pack_request,
    read_record,
    recorded_features,
    recorded_inputs,
)
from nba.domain.decision import DecisionRequest
from nba.errors import CorruptRecordError


def packed(plan, given):
    decided = decide(plan, given)
    return pack_record(
        given,
        request=pack_request(given.request),
        plan_version=plan.version,
        draws=decided.draws,
        answer=encode_answer(decided.decision),
    )


def test_the_inputs_of_a_decision_come_back_bit_for_bit(shop, inputs):
    given = replace(
        inputs(
            shop.plan,
            ("web.hero", 2),
            contacts=[(3.0, "coat", "web.hero"), (1.0, "gone", "web.gone")],
            context={"device": "mobile", "basket": 19.99},
            locale="de",
            request_id="r1",
        ),
        consents={12: True, 14: False},
        time_zone="Europe/Berlin",
        locale="fr",
    )
    again = recorded_inputs(read_record(packed(shop.plan, given)))
    assert again.features.tobytes() == given.features.tobytes()
    # Arrays have no truth that a comparison of the whole could use.
    others = [field.name for field in fields(given) if field.name != "features"]
    assert [getattr(again, name) for name in others] == [getattr(given, name) for name in others]


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.text(max_size=8), st.floats(allow_nan=False), st.booleans()),
    )
)
def test_a_request_is_packed_the_same_whatever_the_order_of_its_keys(context):
    backwards = dict(reversed(context.items()))
    one, two = (pack_request(ask("anna", context=c)) for c in (context, backwards))
    assert one == two
    assert msgspec.msgpack.decode(one, type=DecisionRequest).context == context


def test_draws_keep_who_was_left_and_their_chances(shop, inputs):
    given = inputs(shop.plan, ("web.hero", 3))
    record = read_record(packed(shop.plan, given))
    decided = decide(shop.plan, given)
    assert len(record.draws) == len(decided.draws) == len(decided.decision.choices)
    for kept, drawn in zip(record.draws, decided.draws, strict=True):
        assert (kept.placement, kept.rank) == (drawn.slot.placement.id, drawn.rank)
        assert np.frombuffer(kept.kept, dtype="<u2").tolist() == drawn.kept.tolist()
        stored = np.frombuffer(kept.probabilities, dtype="<f4")
        assert np.allclose(stored, drawn.probabilities, rtol=1e-6)


def test_features_are_named_with_their_values_and_missing_ones_are_none(shop):
    features = shop.plan.features
    row = np.full(len(features.names), math.nan, dtype=np.float32)
    row[features.names.index("device")] = 1.0
    row[features.names.index("age")] = 0.0
    named = named_features(features, row)
    assert named == {
        "age": 0.0,
        "tier": None,
        "orders_30d": None,
        "device": "mobile",
        "basket": None,
    }


def test_a_record_of_another_format_or_cut_short_is_corrupt(shop, inputs):
    whole = packed(shop.plan, inputs(shop.plan))
    later = msgspec.msgpack.encode([99, *msgspec.msgpack.decode(whole)[1:]])
    with pytest.raises(CorruptRecordError, match="format 99, expected 2"):
        read_record(later)
    for bytes_kept in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(CorruptRecordError, match="cannot read a DecisionRecord"):
            read_record(whole[:bytes_kept])


def test_a_request_that_cannot_be_read_back_is_corrupt(shop, inputs):
    record = read_record(packed(shop.plan, inputs(shop.plan)))
    with pytest.raises(CorruptRecordError, match="recorded request"):
        recorded_inputs(msgspec.structs.replace(record, request=b"\xc1"))


def test_the_features_recorded_are_those_decided_on(shop, inputs):
    given = inputs(shop.plan, age=30.0)
    row = recorded_features(read_record(packed(shop.plan, given)))
    assert row.dtype == np.float32
    assert row.tobytes() == given.features.tobytes()
