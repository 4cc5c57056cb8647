"""Packed profiles: the documented bytes, round trips, and nothing read from what is cut."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.consent import consent_code
from nba.errors import CorruptRecordError
from nba.features import FeatureSet
from nba.features.aggregates import Op
from nba.features.layout import StoredAttribute, StoredLayout, StoredSlot
from nba.features.profile import (
    Profile,
    ProfileCodec,
    layout_id_of,
    pack_version,
    read_head,
    version_of,
)

NOW = 1_750_000_000
LAYOUT = StoredLayout(
    attributes=(
        StoredAttribute("a", "number", is_timed=True),
        StoredAttribute("b", "set", ("x", "y")),
        StoredAttribute("c", "bool", is_timed=True),
    ),
    slots=(
        StoredSlot("t", Op.SUM, 0, 0, 0),
        StoredSlot("u", Op.COUNT, 300, 0, 0),
        StoredSlot("v", Op.SEEN, 300, 9, 0),
    ),
)
CODEC = ProfileCodec(LAYOUT)
NO_SLOTS = b"\0\0" + b"\0\0" + b"\0"


def test_bytes_are_as_documented() -> None:
    profile = CODEC.empty()
    profile.version, profile.guard_version = 7, 3
    email, sms = consent_code("email", "marketing"), consent_code("sms", "marketing")
    profile.consents = {email: True, sms: False}
    profile.time_zone, profile.locale = "Europe/Paris", "fr"
    profile.attributes[:] = [1.5, 1.0, 0.0, np.nan]
    profile.times[0] = NOW
    profile.slots = (
        struct.pack("<HId", 1, 99, 0.1)
        + struct.pack("<HIB", 1, NOW // 300, 2)
        + struct.pack("<BII", 1, 77, NOW)
    )
    nan = struct.pack("<f", float("nan"))
    codes = sorted((email | 1, sms))
    assert CODEC.pack(profile) == (
        struct.pack("<III", LAYOUT.layout_id, 7, 3)
        + struct.pack("<BII", 2, *codes)
        + b"\x0cEurope/Paris"
        + b"\x02fr"
        + struct.pack("<fff", 1.5, 1.0, 0.0)
        + nan
        + struct.pack("<II", NOW, 0)
        + profile.slots
    )


def test_a_customer_never_seen_has_nothing() -> None:
    profile = CODEC.empty()
    assert np.isnan(profile.attributes).all()
    assert profile.times.tolist() == [0, 0]
    assert profile.slots == NO_SLOTS
    assert CODEC.unpack(CODEC.pack(profile)).slots == NO_SLOTS


def test_version_and_layout_are_read_from_their_bytes() -> None:
    profile = CODEC.empty()
    profile.version = 0x01020304
    packed = CODEC.pack(profile)
    assert version_of(packed) == 0x01020304
    assert packed[4:8] == pack_version(0x01020304)
    assert layout_id_of(packed) == LAYOUT.layout_id


def test_version_wraps_rather_than_fails() -> None:
    profile = CODEC.empty()
    profile.version = 2**32
    assert version_of(CODEC.pack(profile)) == 0


texts = st.one_of(st.none(), st.text(min_size=1, max_size=40, alphabet="aZ/_-é🎁שלום"))
numbers = st.floats(width=32, allow_infinity=False)
seconds = st.integers(0, 2**32 - 1)


@st.composite
def slots(draw: st.DrawFn) -> bytes:
    """Draw packed slots of the layout, by hand."""
    total = b"\0\0"
    if draw(st.booleans()):
        amount = draw(st.floats(allow_nan=False, allow_infinity=False))
        total = struct.pack("<HId", 1, draw(seconds), amount)
    held = sorted(draw(st.sets(st.integers(0, 12))))
    count = struct.pack("<H", sum(1 << k for k in held))
    if held:
        count += struct.pack("<I", draw(seconds))
        count += b"".join(draw(st.sampled_from([b"\1", b"\x7f", b"\x80\1"])) for _ in held)
    keys = sorted(draw(st.sets(seconds, max_size=9)))
    seen = bytes([len(keys)]) + b"".join(struct.pack("<II", key, draw(seconds)) for key in keys)
    return total + count + seen


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    profile = CODEC.empty()
    profile.version = draw(seconds)
    profile.guard_version = draw(seconds)
    codes = st.integers(0, 2**31 - 1).map(lambda half: 2 * half)
    profile.consents = draw(st.dictionaries(codes, st.booleans(), max_size=20))
    profile.time_zone, profile.locale = draw(texts), draw(texts)
    profile.attributes[:] = draw(st.lists(numbers, min_size=4, max_size=4))
    profile.times[:] = draw(st.lists(seconds, min_size=2, max_size=2))
    profile.slots = draw(slots())
    return profile


@settings(deadline=None)
@given(profiles())
def test_every_profile_comes_back(profile: Profile) -> None:
    packed = CODEC.pack(profile)
    again = CODEC.unpack(packed)
    np.testing.assert_array_equal(again.attributes, profile.attributes)
    np.testing.assert_array_equal(again.times, profile.times)
    assert again.slots == profile.slots
    assert again.consents == profile.consents
    assert (again.time_zone, again.locale) == (profile.time_zone, profile.locale)
    assert (again.version, again.guard_version) == (profile.version, profile.guard_version)
    assert CODEC.pack(again) == packed


@settings(deadline=None, max_examples=20)
@given(profiles())
def test_a_profile_cut_anywhere_or_with_a_tail_is_refused(profile: Profile) -> None:
    packed = CODEC.pack(profile)
    for size in range(len(packed)):
        with pytest.raises(CorruptRecordError):
            CODEC.unpack(packed[:size])
    with pytest.raises(CorruptRecordError):
        CODEC.unpack(packed + b"\0")


def test_another_layout_is_refused(make: SimpleNamespace) -> None:
    other = ProfileCodec(FeatureSet([make.attribute("a")], []).layout)
    with pytest.raises(CorruptRecordError, match="another layout"):
        CODEC.unpack(other.pack(other.empty()))


@pytest.mark.parametrize("packed", [b"", b"x" * 11, b"x" * 12])
def test_a_cut_head_is_refused(packed: bytes) -> None:
    with pytest.raises(CorruptRecordError, match=f"of {len(packed)} bytes is cut"):
        read_head(packed)


@pytest.mark.parametrize("packed", [b"", b"xyz"])
def test_bytes_too_few_for_a_layout_are_refused(packed: bytes) -> None:
    with pytest.raises(CorruptRecordError, match=f"of {len(packed)} bytes is cut"):
        layout_id_of(packed)


def test_text_that_is_no_utf8_is_refused() -> None:
    packed = struct.pack("<IIIBB", LAYOUT.layout_id, 1, 1, 0, 1) + b"\xff\0"
    with pytest.raises(CorruptRecordError):
        read_head(packed)
