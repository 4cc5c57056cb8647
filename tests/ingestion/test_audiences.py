"""Lists of customers go in whole, can be replaced and emptied, and say what was wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nba.domain.alias import Alias, read_forward
from nba.domain.audience import membership_code
from nba.domain.catalog import Catalog
from nba.domain.clock import ManualClock
from nba.domain.customer import ProfileUpdate
from nba.domain.ids import CustomerId
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import DefinitionError, InputError
from nba.features import FeatureSet, ProfileService
from nba.features.memory import MemoryProfileStore
from nba.features.profile import read_head, version_of
from nba.features.rollout_memory import MemoryRolloutStore
from nba.ingestion.audiences import AudienceLists, AudienceReport
from nba.ledger.memory import MemoryLedger

NOW_MS = 1_750_000_000_000


def _features(*names: str) -> FeatureSet:
    taxonomy = Taxonomy({"audience": Dimension(dict.fromkeys(names, ""))})
    nothing: tuple[Any, ...] = ()
    catalog = Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=taxonomy,
        actions=nothing,
        contents=nothing,
        placements=nothing,
    )
    return FeatureSet([], [], catalog=catalog)


@dataclass
class Lists:
    """Lists in memory, and how to upload a file."""

    folder: Path
    features: FeatureSet = field(default_factory=lambda: _features("vip", "vip/gold", "blocked"))

    def __post_init__(self) -> None:
        clock = ManualClock(NOW_MS)
        self.profiles: dict[str, bytes] = {}
        ledger = MemoryLedger({})
        self.store = MemoryProfileStore(self.profiles, ledger.append_entry, clock)
        self.service = ProfileService(self.store, lambda: self.features, clock)
        self.rollouts = MemoryRolloutStore(self.profiles, clock)

    @property
    def lists(self) -> AudienceLists:
        """What reads and changes them."""
        return AudienceLists(self.service, self.store, self.rollouts, self.features)

    def upload(self, name: str, content: str, **more: Any) -> AudienceReport:
        """Upload a CSV file, or one of another name."""
        path = self.folder / more.pop("file", "list.csv")
        path.write_text(content, encoding="utf-8")
        more.setdefault("replace", False)
        return asyncio.run(self.lists.upload(name, path, lambda *_: None, **more))

    def remove(self, name: str) -> AudienceReport:
        """Take everybody off."""
        return asyncio.run(self.lists.remove(name, lambda *_: None))

    def on(self, name: str) -> list[str]:
        """Return who is on a list."""
        return sorted(
            customer_id
            for customer_id, packed in self.profiles.items()
            if read_forward(packed) is None and membership_code(name) in _codes(packed)
        )


def _codes(packed: bytes) -> set[int]:
    return set(read_head(packed).consents)


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


def test_everybody_a_file_names_is_put_on(lists: Lists) -> None:
    report = lists.upload("vip", "name,customer_id\nAnna,a\nBob,b\nBob again,b\n")
    assert (report.rows, report.added, report.removed, report.rejected) == (3, 2, 0, 0)
    more = lists.upload("vip", '{"id": "c"}\n{"id": 7}\n', file="l.jsonl", column="id")
    assert (more.rows, more.added) == (2, 2)
    assert lists.on("vip") == ["7", "a", "b", "c"]
    assert lists.on("vip/gold") == lists.on("blocked") == []
    assert asyncio.run(lists.lists.counts()) == {"vip": 4, "vip/gold": 0, "blocked": 0}


def test_a_file_taken_again_writes_nothing_but_what_is_missing(lists: Lists) -> None:
    content = "customer_id\na\nb\nc\n"
    lists.upload("vip", content)
    gone = ProfileUpdate(customer_id=CustomerId("b"), audiences={"vip": False})
    asyncio.run(lists.service.put(gone))
    assert lists.upload("vip", content).added == 1
    profile = asyncio.run(lists.store.get(CustomerId("a")))
    assert profile is not None
    assert version_of(profile) == 1


def test_replacing_takes_off_whom_the_file_does_not_name(lists: Lists) -> None:
    lists.upload("vip", "customer_id\na\nb\nc\n")
    lists.upload("blocked", "customer_id\nb\n")
    report = lists.upload("vip", "customer_id\nc\nd\n", replace=True)
    assert (report.added, report.removed) == (1, 2)
    assert lists.on("vip") == ["c", "d"]
    assert lists.on("blocked") == ["b"]


def test_replacing_heeds_the_former_ids_of_a_customer(lists: Lists) -> None:
    lists.upload("vip", "customer_id\nvisitor\nb\n")
    alias = Alias(CustomerId("visitor"), CustomerId("anna"))
    asyncio.run(lists.service.ingest([alias]))
    assert lists.upload("vip", "customer_id\nvisitor\n", replace=True).removed == 1
    assert asyncio.run(lists.lists.counts())["vip"] == 1
    profile = asyncio.run(lists.store.get(CustomerId("anna")))
    assert profile is not None
    assert _codes(profile) == {membership_code("vip")}


def test_nobody_is_taken_off_where_a_row_cannot_be_read(lists: Lists) -> None:
    lists.upload("vip", "customer_id\na\nb\n")
    report = lists.upload("vip", "customer_id,x\na,1\n,2\nc\n" + "d" * 129 + ",3\n", replace=True)
    assert (report.added, report.removed, report.rejected) == (0, 0, 3)
    assert [(fault.place, fault.found) for fault in report.faults] == [
        ("list.csv:3", "customer_id: it names no customer"),
        ("list.csv:4", "1 cells"),
        ("list.csv:5", "customer_id: an id of 129 characters"),
    ]
    assert lists.on("vip") == ["a", "b"]


def test_a_file_that_names_nobody_replaces_nothing(lists: Lists) -> None:
    lists.upload("vip", "customer_id\na\n")
    with pytest.raises(InputError, match=r"list.csv: the file names nobody; `nba audience remove`"):
        lists.upload("vip", "customer_id\n", replace=True)
    assert lists.on("vip") == ["a"]


def test_a_list_can_be_emptied_even_after_it_is_declared_no_more(lists: Lists) -> None:
    lists.upload("vip", "customer_id\na\nb\n")
    lists.upload("blocked", "customer_id\nb\n")
    lists.features = _features("vip")
    lists.service.forget()
    assert lists.remove("blocked").removed == 1
    assert lists.remove("vip").removed == 2
    assert asyncio.run(lists.lists.counts()) == {"vip": 0}
    assert lists.remove("vip").removed == 0


def test_an_unknown_list_and_an_absent_column_are_told(lists: Lists) -> None:
    with pytest.raises(InputError, match=r"audience 'vpi' is not declared; did you mean vip\?"):
        lists.upload("vpi", "customer_id\na\n")
    with pytest.raises(DefinitionError, match="no column 'customer_id'; the columns are: id, age"):
        lists.upload("vip", "id,age\na,1\n")
    assert lists.on("vip") == []
