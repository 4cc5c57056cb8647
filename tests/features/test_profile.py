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
from nba.features.layout import StoredAttribute, StoredFeatures, StoredLayout, StoredWindow
from nba.features.profile import Profile, ProfileCodec, pack_version, read_head, version_of

NOW = 1_750_000_000
LAYOUT = StoredLayout(
    attributes=(StoredAttribute("a", "number"), StoredAttribute("b", "bool")),
    recencies=("r",),
    totals=("t",),
    windows=(StoredWindow("w", 300, is_count=True), StoredWindow("x", 7_200, is_count=False)),
)
CODEC = ProfileCodec(LAYOUT)


def test_bytes_are_as_documented() -> None:
    profile = CODEC.empty()
    profile.version, profile.guard_version = 7, 3
    email = consent_code("email", "marketing")
    profile.consents = {email: True}
    profile.time_zone, profile.locale = "Europe/Paris", "fr"
    profile.attributes[0] = 1.5
    profile.sums.recencies[0] = 99
    profile.sums.totals[0] = 0.1
    profile.sums.last[0] = NOW // 300
    profile.sums.cells[0, NOW // 300 % 13] = 2
    nan = struct.pack("<f", float("nan"))
    assert CODEC.pack(profile, now_seconds=NOW) == (
        struct.pack("<III", LAYOUT.layout_id, 7, 3)
        + struct.pack("<BI", 1, email | 1)
        + b"\x0cEurope/Paris"
        + b"\x02fr"
        + struct.pack("<f", 1.5)
        + nan
        + struct.pack("<I", 99)
        + struct.pack("<d", 0.1)
        + struct.pack("<HIB", 1, NOW // 300, 2)
        + struct.pack("<H", 0)
    )


def test_version_is_read_from_its_bytes() -> None:
    profile = CODEC.empty()
    profile.version = 0x01020304
    packed = CODEC.pack(profile, now_seconds=NOW)
    assert version_of(packed) == 0x01020304
    assert packed[4:8] == pack_version(0x01020304)


def test_version_wraps_rather_than_fails() -> None:
    profile = CODEC.empty()
    profile.version = 2**32
    assert version_of(CODEC.pack(profile, now_seconds=NOW)) == 0


texts = st.one_of(st.none(), st.text(min_size=1, max_size=40, alphabet="aZ/_-é🎁שלום"))
numbers = st.floats(width=32, allow_infinity=False)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    profile = CODEC.empty()
    profile.version = draw(st.integers(0, 2**32 - 1))
    profile.guard_version = draw(st.integers(0, 2**32 - 1))
    codes = st.integers(0, 2**31 - 1).map(lambda half: 2 * half)
    profile.consents = draw(st.dictionaries(codes, st.booleans(), max_size=20))
    profile.time_zone, profile.locale = draw(texts), draw(texts)
    profile.attributes[:] = draw(st.lists(numbers, min_size=2, max_size=2))
    profile.sums.recencies[0] = draw(st.integers(0, 2**32 - 1))
    profile.sums.totals[0] = draw(st.floats(allow_nan=False, allow_infinity=False))
    profile.sums.last[:] = [NOW // 300, NOW // 7_200]
    profile.sums.cells[0] = draw(st.lists(st.integers(0, 2**50), min_size=13, max_size=13))
    amounts = st.floats(-1e30, 1e30).map(lambda amount: amount + 0.0)
    profile.sums.cells[1] = draw(st.lists(amounts, min_size=13, max_size=13))
    return profile


@settings(deadline=None)
@given(profiles())
def test_every_profile_comes_back(profile: Profile) -> None:
    packed = CODEC.pack(profile, now_seconds=NOW)
    again = CODEC.unpack(packed)
    np.testing.assert_array_equal(again.attributes, profile.attributes)
    np.testing.assert_array_equal(again.sums.recencies, profile.sums.recencies)
    np.testing.assert_array_equal(again.sums.totals, profile.sums.totals)
    np.testing.assert_array_equal(again.sums.cells, profile.sums.cells)
    assert again.consents == profile.consents
    assert (again.time_zone, again.locale) == (profile.time_zone, profile.locale)
    assert (again.version, again.guard_version) == (profile.version, profile.guard_version)
    assert CODEC.pack(again, now_seconds=NOW) == packed


@settings(deadline=None, max_examples=20)
@given(profiles())
def test_a_profile_cut_anywhere_or_with_a_tail_is_refused(profile: Profile) -> None:
    packed = CODEC.pack(profile, now_seconds=NOW)
    for size in range(len(packed)):
        with pytest.raises(CorruptRecordError):
            CODEC.unpack(packed[:size])
    with pytest.raises(CorruptRecordError):
        CODEC.unpack(packed + b"\0")


def test_another_layout_is_refused(make: SimpleNamespace) -> None:
    other = ProfileCodec(StoredFeatures.of([make.attribute("a")]).layout())
    with pytest.raises(CorruptRecordError, match="another layout"):
        CODEC.unpack(other.pack(other.empty(), now_seconds=NOW))


@pytest.mark.parametrize("packed", [b"", b"x" * 11, b"x" * 12])
def test_a_cut_head_is_refused(packed: bytes) -> None:
    with pytest.raises(CorruptRecordError, match=f"of {len(packed)} bytes is cut"):
        read_head(packed)
