"""Columns are what their names or the mapping say, and a mapping that is wrong says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba.errors import DefinitionError
from nba.ingestion.columns import FileMapping, Kind, Role, columns_of, load_mapping


def test_a_table_with_event_and_time_holds_events() -> None:
    names = ["customer_id", "event", "timestamp", "message_id", "amount", "properties.x"]
    found = columns_of(names, "f")
    assert found.kind is Kind.EVENTS
    assert found.roles == {
        Role.CUSTOMER_ID: 0,
        Role.EVENT: 1,
        Role.TIMESTAMP: 2,
        Role.MESSAGE_ID: 3,
    }
    assert found.data == [(4, "amount"), (5, "x")]


def test_name_and_at_say_the_same_unless_the_first_names_are_there() -> None:
    found = columns_of(["customer_id", "name", "at"], "f")
    assert found.roles[Role.EVENT] == 1
    assert found.roles[Role.TIMESTAMP] == 2
    found = columns_of(["customer_id", "name", "event", "timestamp"], "f")
    assert found.roles[Role.EVENT] == 2
    assert found.data == [(1, "name")]


def test_any_other_table_holds_customers() -> None:
    names = ["customer_id", "name", "attributes.age", "consents.email.x.y", "consents.z", "locale"]
    found = columns_of(names, "f")
    assert found.kind is Kind.CUSTOMERS
    assert found.data == [(1, "name"), (2, "age"), (4, "consents.z")]
    assert found.consents == [(3, "email", "x.y")]
    assert not found.audiences
    assert found.roles == {Role.CUSTOMER_ID: 0, Role.LOCALE: 5}


def test_a_mapping_renames_leaves_out_and_names_the_event(tmp_path: Path) -> None:
    path = tmp_path / "till.yaml"
    path.write_text(
        "ingest:\n  kind: events\n  event: buy\n"
        "  columns: {who: customer_id, when: timestamp, secret: null}\n"
    )
    mapping = load_mapping(path)
    assert mapping == FileMapping(
        kind=Kind.EVENTS,
        event="buy",
        columns={"who": "customer_id", "when": "timestamp", "secret": None},
    )
    found = columns_of(["who", "when", "secret", "amount"], "f", mapping=mapping)
    assert (found.event, found.data) == ("buy", [(3, "amount")])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("ingest:\n  kin: events\n", r"m.yaml:2.*kin"),
        ("ingest: {}\nother: 1\n", r"m.yaml:2: unknown key 'other'"),
        ("ingest:\n  kind: people\n", r"m.yaml:2"),
        ("- 1\n", r"m.yaml:1"),
    ],
)
def test_a_wrong_mapping_says_where(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(DefinitionError, match=match):
        load_mapping(path)


def test_an_audience_is_a_column_of_customers_only() -> None:
    found = columns_of(["customer_id", "audiences.members/gold", "audiences"], "f.csv:1")
    assert found.audiences == [(1, "members/gold")]
    assert found.data == [(2, "audiences")]
    events = columns_of(["customer_id", "event", "at", "audiences.vip"], "f.csv:1")
    assert not events.audiences
    assert events.data == [(3, "audiences.vip")]
