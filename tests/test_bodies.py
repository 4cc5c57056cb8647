"""JSON bodies: what is wrong is pointed at, and one bad item stops no other."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bodies import decode, loose_parts
from nba.errors import InputError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_what_is_strict_json_is_decoded_as_it_is_and_known_to_be_plain(value: object) -> None:
    assert decode(msgspec.json.encode(value)) == (value, True)
    loose = json.dumps(value, indent=2).encode()
    assert decode(loose)[0] == value
    assert loose_parts(decode(loose)[0]) == []


def test_numbers_json_does_not_have_are_read_for_their_item_to_be_refused() -> None:
    value, plain = decode(b'{"a": NaN, "b": [-Infinity, 1e999], "c": 1}')
    assert not plain
    assert math.isnan(value["a"])
    assert value["b"] == [-math.inf, math.inf]
    assert value["c"] == 1


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (b'{"a":1,"a":2}', ["/a"]),
        (b'{"a":1,"a":1}', ["/a"]),
        (b'{"x/y":{"b":1,"c":2,"b":3}}', ["/x~1y/b"]),
        (b'[{"a":1},{"a":1,"a":2}]', ["/1/a"]),
        (b'{"a":1,"b":{"a":1}}', []),
        (b'{"\\u0061":1,"a":2}', ["/a"]),
    ],
)
def test_a_name_given_twice_is_found(body: bytes, places: list[str]) -> None:
    value, plain = decode(body)
    assert not (plain and places)
    assert [fault.place for fault in loose_parts(value)] == places


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=1, max_size=4), st.data())
def test_no_repetition_passes_for_plain(value: dict[str, int], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    text = msgspec.json.encode(value)[:-1] + b"," + msgspec.json.encode(name) + b":7}"
    decoded, plain = decode(text)
    assert not plain
    assert len(loose_parts(decoded)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":1} 2', b"'a'"])
def test_what_is_no_json_even_so_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="not JSON"):
        decode(body)


@given(st.binary(max_size=40))
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    try:
        decode(body)
    except InputError as error:
        assert error.faults[0].place == ""  # noqa: PT017  # both ends are right
