"""What a sync changes: contents in every locale written, faults by entry, what people said kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nba.catalog.declarations import Connection, EntryMapping
from nba.connectors.port import Changes, Entry
from nba.connectors.sync import SyncPlan, plan_sync
from nba.domain.catalog import Action, Catalog, Direction, Placement, Slot, SlotType
from nba.domain.ids import NO_ACTION, ActionId, PlacementId
from nba.domain.taxonomy import Taxonomy

CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy(),
    actions=(Action(id=NO_ACTION, name="Nothing"), Action(id=ActionId("coat"), name="Coat")),
    contents=(),
    placements=(
        Placement(
            id=PlacementId("web.hero"),
            channel="web",
            direction=Direction.INBOUND,
            slots={
                "title": Slot(max_length=20),
                "url": Slot(type=SlotType.URL),
                "note": Slot(required=False),
                "price": Slot(type=SlotType.NUMBER, required=False),
            },
        ),
    ),
)
OFFER = EntryMapping(
    action="action",
    group="family",
    placements=("web.hero",),
    slots={"title": "headline", "url": "link", "note": "note", "price": "price"},
    shared=("link", "price"),
    terms=("product:fashion",),
    starts="from",
    ends="until",
    master=True,
)
CMS = Connection(
    name="cms",
    kind="contentful",
    url="https://cdn.contentful.com",
    space="halden",
    locales={"en-US": "en", "de-DE": "de"},
    entries={"offer": OFFER},
)
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "action": {"en-US": "coat"},
    "headline": {"en-US": "Warm", "de-DE": " Warm! "},
    "link": {"en-US": "https://a.example/"},
    "price": {"en-US": 12.5},
    "from": {"en-US": "2026-03-01T09:00+01:00"},
}


def entry(name: str = "e1", *, kind: str = "offer", revision: str = "1", **fields: Any) -> Entry:
    return Entry(id=name, kind=kind, revision=revision, fields={**FIELDS, **fields})


def changes(*entries: Entry, **more: Any) -> Changes:
    given = {"gone": frozenset(), "broken": frozenset(), "cursor": "next", "is_complete": False}
    return Changes(entries=entries, **{**given, **more})


def plan(found: Changes, contents: Mapping[str, Mapping[str, Any]] | None = None) -> SyncPlan:
    return plan_sync(CMS, found, CATALOG, contents or {})


def held(*entries: Entry) -> dict[str, Mapping[str, Any]]:
    return dict(plan(changes(*entries)).put)


def test_an_entry_becomes_a_content_in_every_locale_it_is_written_in() -> None:
    found = plan(changes(entry()))
    english = {
        "id": "cms.e1.en",
        "action": "coat",
        "group": "cms.e1",
        "placements": ["web.hero"],
        "terms": ["product:fashion"],
        "starts": "2026-03-01T09:00+01:00",
        "source": "cms",
        "external_id": "e1",
        "revision": "1",
        "locale": "en",
        "slots": {"title": "Warm", "url": "https://a.example/", "note": "", "price": "12.5"},
        "master": True,
    }
    del english["slots"]["note"]
    german = {**english, "id": "cms.e1.de", "locale": "de"}
    german["slots"] = {**english["slots"], "title": "Warm!"}
    del german["master"]
    assert dict(found.put) == {"cms.e1.de": german, "cms.e1.en": english}
    assert (found.faults, found.retire, found.cursor) == ((), (), "next")


def test_entries_of_other_types_are_let_be() -> None:
    assert plan(changes(entry(kind="article"))).put == {}


def test_what_says_the_same_is_not_put_again_whatever_its_revision() -> None:
    found = plan(changes(entry(revision="2")), held(entry()))
    assert (dict(found.put), found.unchanged) == ({}, 2)


def test_what_people_said_of_a_content_outlives_the_sync() -> None:
    contents = held(entry())
    contents["cms.e1.de"] = {**contents["cms.e1.de"], "confirmed_against": "0123456789ab"}
    assert plan(changes(entry()), contents).put == {}
    changed = entry(headline={"en-US": "Warm", "de-DE": "Wärmer"})
    (body,) = plan(changes(changed), contents).put.values()
    assert body["confirmed_against"] == "0123456789ab"
    assert body["slots"]["title"] == "Wärmer"


def test_what_is_gone_there_is_retired_here_and_nothing_else() -> None:
    contents = {
        **held(entry(), entry("e2")),
        "mine.en": {"source": "", "external_id": "e1"},
        "other.en": {"source": "other", "external_id": "e1"},
    }
    gone = plan(changes(gone=frozenset({"e1"})), contents)
    assert gone.retire == ("cms.e1.de", "cms.e1.en")
    complete = plan(changes(entry(), is_complete=True), contents)
    assert complete.retire == ("cms.e2.de", "cms.e2.en")


def test_a_locale_that_is_no_longer_written_is_retired() -> None:
    shorter = entry(headline={"en-US": "Warm"})
    assert plan(changes(shorter), held(entry())).retire == ("cms.e1.de",)


def test_an_entry_of_a_type_that_is_no_longer_mapped_is_retired() -> None:
    found = plan(changes(entry(kind="article")), held(entry()))
    assert found.retire == ("cms.e1.de", "cms.e1.en")


def test_what_is_not_right_stays_as_it_was() -> None:
    contents = held(entry())
    wrong = entry(headline={"en-US": "Warm", "de-DE": "x" * 21})
    found = plan(changes(wrong), contents)
    assert (dict(found.put), found.retire) == ({}, ())
    assert [str(fault) for fault in found.faults] == [
        "entry/e1/headline/de-DE: 21 characters; at most 20 are expected"
    ]
    broken = plan(changes(broken=frozenset({"e1"}), is_complete=True), contents)
    assert broken.retire == ()


WRONG = [
    ({"action": {"en-US": "coot"}},
     "entry/e1/action: action 'coot' is not in the catalog; did you mean 'coat'?"),
    ({"action": {"en-US": "no_action"}},
     "entry/e1/action: action 'no_action' is not in the catalog; known: coat"),
    ({"action": {}}, "entry/e1/action/en-US: it says nothing; plain text is expected"),
    ({"family": {"en-US": {"a": 1}}},
     "entry/e1/family/en-US: found dict {'a': 1}; plain text is expected"),
    ({"link": {"en-US": "http://a.example/"}}, ("entry/e1/link/en-US: 'http://a.example/' has the "
     "scheme 'http'; https is expected")),
    ({"link": {}}, ("entry/e1/link/en-US: it says nothing; plain text for the slot 'url' is "
     "expected")),
    ({"note": {"en-US": {"nodeType": "document"}}}, ("entry/e1/note/en-US: found dict {'nodeType': "
     "'document'}; plain text for the slot 'note' is expected")),
    ({"headline": {"en-US": "Hi <script>"}}, ("entry/e1/headline/en-US: markup, '<s'; plain text, "
     "or a slot of type html")),
    ({"headline": {"en-US": "Hi {{ x"}}, ("entry/e1/headline/en-US: column 8: an output without an "
     "end; close it with }}")),
    ({"until": {"en-US": "2026-02-01"}}, ("entry/e1/until: ends '2026-02-01' is not after starts "
     "'2026-03-01T09:00+01:00'; a later moment, or none")),
    ({"headline": {"de-DE": "Warm"}},
     "entry/e1: not written in 'en'; the master of the others is expected"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), WRONG)
def test_a_fault_names_the_entry_the_field_and_the_locale(
    fields: dict[str, Any], expected: str
) -> None:
    shorter = {"headline": {"en-US": "Warm"}, **fields}
    found = plan(changes(entry(**shorter), entry("sound")))
    assert set(found.put) == {"cms.sound.de", "cms.sound.en"}
    assert expected in {str(fault) for fault in found.faults}
    assert len(set(found.faults)) <= 2


def test_a_content_from_elsewhere_is_not_overwritten() -> None:
    found = plan(changes(entry()), {"cms.e1.en": {"source": ""}})
    assert set(found.put) == {"cms.e1.de"}
    (fault,) = found.faults
    assert str(fault) == (
        "entry/e1: content 'cms.e1.en' is there already, and not from 'cms'; "
        "retire or rename that one first"
    )


def test_a_family_of_entries_is_one_group() -> None:
    found = plan(changes(entry(family={"en-US": "coats"})))
    assert {body["group"] for body in found.put.values()} == {"coats"}


def test_an_id_that_would_be_too_long_is_told() -> None:
    (fault, _) = plan(changes(entry("e" * 122))).faults
    assert "of 129 characters; at most 128" in str(fault)
