"""States as bytes come back as they were, and what is none is refused by what is wrong with it."""

import zlib

import msgspec
import numpy as np
import pytest

from nba.bandits.packing import (
    fill,
    pack_members,
    pack_state,
    unpack_members,
    unpack_state,
)
from nba.errors import CorruptRecordError

ARRAYS = {"one": np.array([[1.5, -2.0]]), "none": np.zeros((0, 3))}


def test_parameters_and_arrays_come_back():
    data = pack_state("linear", 1, {"n": 3, "name": "x"}, ARRAYS)
    parameters, arrays = unpack_state(data, "linear", 1)
    assert parameters == {"n": 3, "name": "x"}
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "one": [[1.5, -2.0]],
        "none": [],
    }
    assert arrays["none"].shape == (0, 3)


@pytest.mark.parametrize(("kind", "version"), [("other", 1), ("linear", 2)])
def test_another_kind_or_format_is_refused(kind, version):
    with pytest.raises(CorruptRecordError, match="found a state of kind 'linear' in format 1"):
        unpack_state(pack_state("linear", 1, {}, ARRAYS), kind, version)


@pytest.mark.parametrize("shape", [(3,), (-1, -2), (2, 2)])
def test_a_shape_that_its_bytes_do_not_fill_is_refused(shape):
    record = msgspec.msgpack.decode(pack_state("linear", 1, {}, {"one": np.zeros(2)})[4:])
    record["arrays"]["one"]["shape"] = list(shape)
    content = msgspec.msgpack.encode(record)
    with pytest.raises(CorruptRecordError, match="one of the linear state has 16 bytes"):
        unpack_state(zlib.crc32(content).to_bytes(4, "little") + content, "linear", 1)


def test_one_bit_another_is_found_wherever_it_is():
    data = pack_state("linear", 1, {"n": 3}, {"one": np.array([1.5, -2.0])})
    members = pack_members(3, 9, [b"a", b"b"])
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(CorruptRecordError, match="its checksum is another"):
            unpack_state(bytes(damaged), "linear", 1)
    for damaged in (members[:-1], members[:3], b"", members + b"\0"):
        with pytest.raises(CorruptRecordError, match="its checksum is another"):
            unpack_members(damaged)


def test_arrays_fill_those_of_the_same_name_and_shape_alone():
    wanted = {"one": np.zeros((1, 2))}
    fill("linear", {"one": ARRAYS["one"]}, wanted)
    assert wanted["one"].tolist() == [[1.5, -2.0]]
    with pytest.raises(CorruptRecordError, match=r"one of the linear state has shape \(3,\)"):
        fill("linear", {"one": np.zeros(3)}, wanted)
    with pytest.raises(CorruptRecordError, match=r"holds \['two'\], not \['one'\]"):
        fill("linear", {"two": np.zeros(3)}, wanted)


def test_members_come_back():
    assert unpack_members(pack_members(3, 9, [b"a", b"b"])) == (3, 9, [b"a", b"b"])
