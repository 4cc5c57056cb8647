"""Segment's messages become events, updates and aliases, or faults that point into them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nba.domain.alias import Alias
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import Fault, InputError
from nba.ingestion.segment import MAX_BATCH, Item, as_sent, open_envelope, read_message

RECEIVED_MS = 100_000
"""1970-01-01T00:01:40Z."""


def read(message: Any, type_: str = "", **batch: Any) -> Item:
    body = {"batch": [message], **batch} if batch else message
    return read_message(
        open_envelope(msgspec.json.encode(body)),
        0,
        received_at_ms=RECEIVED_MS,
        fallback_id=lambda: "made-up",
        type_=type_,
    )


def places(message: Any, type_: str = "") -> list[str]:
    with pytest.raises(InputError) as caught:
        read(message, type_)
    assert all(fault.found and fault.expected for fault in caught.value.faults)
    return [fault.place for fault in caught.value.faults]


def test_a_track_message_is_an_event() -> None:
    message = {
        "type": "track",
        "userId": "a",
        "anonymousId": "left alone",
        "event": "Bought",
        "timestamp": "1970-01-01T00:00:01Z",
        "properties": {"n": 3, "t": "x", "b": False, "list": [1], "none": None},
        "context": {"ip": "8.8.8.8", "library": {"name": "x"}},
        "integrations": {"All": True},
    }
    assert read(message) == Event(
        customer_id=CustomerId("a"),
        name="Bought",
        message_id="made-up",
        at_ms=1_000,
        received_at_ms=RECEIVED_MS,
        properties={"n": 3, "t": "x", "b": False, "list": [1], "none": None},
    )


@pytest.mark.parametrize("type_", ["page", "screen"])
def test_pages_and_screens_are_events_with_name_and_category(type_: str) -> None:
    message = {
        "userId": "a",
        "messageId": "m",
        "name": "Home",
        "category": "Start",
        "properties": {"url": "/"},
    }
    for found in (read({"type": type_, **message}), read(message, type_)):
        assert isinstance(found, Event)
        assert (found.name, found.message_id, found.at_ms) == (type_, "m", RECEIVED_MS)
        assert found.properties == {"url": "/", "name": "Home", "category": "Start"}


def test_an_identify_message_is_a_profile_update() -> None:
    message = {
        "type": "identify",
        "userId": "a",
        "traits": {"age": 3, "gone": None, "likes": ["tea", "cake"], "address": {"city": "x"}},
        "context": {"timezone": "Europe/Berlin", "page": {}},
    }
    assert read(message) == ProfileUpdate(
        customer_id=CustomerId("a"),
        attributes={"age": 3, "gone": None, "likes": ("tea", "cake"), "address": {"city": "x"}},
        time_zone="Europe/Berlin",
    )


def test_a_group_becomes_attributes_of_its_member() -> None:
    message = {"type": "group", "userId": "a", "groupId": "g1", "traits": {"plan": "gold"}}
    assert read(message) == ProfileUpdate(
        customer_id=CustomerId("a"), attributes={"group_plan": "gold", "group_id": "g1"}
    )


def test_an_alias_names_the_former_id_and_the_one_that_goes_on() -> None:
    message = {"type": "alias", "previousId": "anonymous", "userId": "anna"}
    assert read(message) == Alias(CustomerId("anonymous"), CustomerId("anna"))


def test_an_anonymous_id_is_the_customers_where_there_is_no_other() -> None:
    found = read({"type": "track", "anonymousId": "b", "userId": None, "event": "e"})
    assert isinstance(found, Event)
    assert found.customer_id == "b"


@pytest.mark.parametrize(
    ("own", "batch", "at_ms"),
    [
        # The device sent at 70 s by its clock what happened at 60 s; it arrived at 100 s.
        ({"timestamp": "1970-01-01T00:01:00Z", "sentAt": "1970-01-01T00:01:10Z"}, {}, 90_000),
        ({"timestamp": "1970-01-01T00:01:00Z"}, {"sentAt": "1970-01-01T00:01:10Z"}, 90_000),
        # A clock an hour ahead.
        ({"timestamp": "1970-01-01T01:01:00Z", "sentAt": "1970-01-01T01:01:10Z"}, {}, 90_000),
        # Both: the message's own counts.
        (
            {"timestamp": "1970-01-01T00:01:00Z", "sentAt": "1970-01-01T00:01:10Z"},
            {"sentAt": "1970-01-01T00:01:30Z"},
            90_000,
        ),
        # Corrected before.
        (
            {
                "timestamp": "1970-01-01T00:01:00Z",
                "originalTimestamp": "1970-01-01T00:30:00Z",
                "sentAt": "1970-01-01T00:30:10Z",
            },
            {},
            60_000,
        ),
        ({"timestamp": "1970-01-01T00:01:00Z"}, {}, 60_000),
        ({"sentAt": "1970-01-01T00:01:10Z"}, {}, RECEIVED_MS),
        ({}, {}, RECEIVED_MS),
    ],
)
def test_a_wrong_clock_is_set_right_by_when_the_message_was_sent(
    own: dict[str, str], batch: dict[str, str], at_ms: int
) -> None:
    found = read({"type": "track", "userId": "a", "event": "e", **own}, **batch)
    assert isinstance(found, Event)
    assert found.at_ms == at_ms


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"userId": "a"}, ["/type"]),
        ({"type": "hello", "userId": "a"}, ["/type"]),
        ({"type": 7}, ["/type"]),
        ({"type": "track", "userId": "a"}, ["/event"]),
        ({"type": "track", "event": "e"}, ["/userId"]),
        ({"type": "track", "event": "e", "userId": "x" * 300}, ["/userId"]),
        ({"type": "track", "event": "e", "userId": 7}, ["/userId"]),
        ({"type": "track", "event": "e", "userId": ""}, ["/userId"]),
        ({"type": "track", "event": "e", "userId": "a", "messageId": "x" * 300}, ["/messageId"]),
        ({"type": "track", "event": "e", "userId": "a", "timestamp": "soon"}, ["/timestamp"]),
        ({"type": "track", "event": "e", "userId": "a", "properties": []}, ["/properties"]),
        ({"type": "group", "userId": "a"}, ["/groupId"]),
        ({"type": "alias", "userId": "a"}, ["/previousId"]),
        ({"type": "alias", "previousId": "a", "anonymousId": "b"}, ["/userId"]),
        ("track", [""]),
        (None, [""]),
    ],
)
def test_what_is_wrong_with_a_message_is_pointed_at(message: Any, found: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read(message, messages=1)
    assert [fault.place for fault in caught.value.faults] == found


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"[]", ""),
        (b"7", ""),
        (b'{"batch":[]}', "/batch"),
        (b'{"batch":{}}', "/batch"),
        (msgspec.json.encode({"batch": [{}] * (MAX_BATCH + 1)}), "/batch"),
        (b'{"batch":[{}],"sentAt":"soon"}', "/sentAt"),
    ],
)
def test_a_body_without_messages_is_refused(body: bytes, place: str) -> None:
    with pytest.raises(InputError) as caught:
        open_envelope(body)
    assert [fault.place for fault in caught.value.faults] == [place]


def test_a_name_given_twice_concerns_its_message_alone() -> None:
    envelope = open_envelope(
        b'{"batch":[{"type":"track","userId":"a","event":"e","properties":{"n":1,"n":2}},'
        b'{"type":"track","userId":"a","event":"e","properties":{"n":NaN}}]}'
    )
    assert not envelope.plain
    with pytest.raises(InputError, match="/properties/n: it is given twice"):
        read_message(envelope, 0, received_at_ms=0, fallback_id=str)
    found = read_message(envelope, 1, received_at_ms=0, fallback_id=str)
    assert isinstance(found, Event)
    assert str(found.properties["n"]) == "nan"  # for the event's declaration to refuse


@pytest.mark.parametrize(
    ("message", "place", "sent"),
    [
        ({"userId": "a"}, "/customer_id", "/userId"),
        ({"anonymousId": "a"}, "/customer_id", "/anonymousId"),
        ({}, "/message_id", "/messageId"),
        ({"type": "identify"}, "/attributes/a~1b", "/traits/a~1b"),
        ({"type": "identify"}, "/attributes/group_x", "/traits/group_x"),
        ({"type": "group"}, "/attributes/group_x", "/traits/x"),
        ({"type": "group"}, "/attributes/group_id", "/groupId"),
        ({}, "/time_zone", "/context/timezone"),
        ({}, "/locale", "/context/locale"),
        ({}, "/previous_id", "/previousId"),
        ({}, "/properties/x", "/properties/x"),
    ],
)
def test_faults_point_into_the_message_as_it_was_sent(
    message: dict[str, str], place: str, sent: str
) -> None:
    assert as_sent(Fault(place, "f", "e"), message) == Fault(sent, "f", "e")
