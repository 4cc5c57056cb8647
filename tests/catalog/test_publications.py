"""What is live: plans with their objects, all of it or nothing, and the way back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nba.catalog.audit import AuditEntry
from nba.catalog.changes import ChangeItem, ChangeSet, ChangeStatus, Operation
from nba.catalog.objects import ObjectKey, ObjectKind, Status
from nba.catalog.publications import ObjectChange, Publication, PublicationDraft, Source, StaleError
from nba.catalog.store import ControlStore
from nba.errors import ConflictError, NotFoundError

CARD = ObjectKey(ObjectKind.ACTION, "card")
COAT = ObjectKey(ObjectKind.ACTION, "coat")


def entry(verb: str = "publish") -> AuditEntry:
    return AuditEntry(at_ms=1, actor="ada", verb=verb, subject="x")


def publish(store: ControlStore, plan: str, *changes: ObjectChange, **more: Any) -> Publication:
    store.save_plan(plan, plan.encode(), note="", author="ada", at_ms=1)
    latest = store.publications(1)
    made = {
        "version": plan,
        "source": Source.CHANGE,
        "expected": latest[0].id if latest else 0,
        "at_ms": 5,
        "actor": "ada",
        "entries": [entry()],
        "changes": changes,
    }
    return store.publish(PublicationDraft(**{**made, **more}))


def put(key: ObjectKey, **body: Any) -> ObjectChange:
    return ObjectChange(key=key, body=body, author="ann", note="because")


def live(store: ControlStore, publication: int | None = None) -> dict[ObjectKey, Any]:
    return {held.key: (held.version, held.body) for held in store.live_objects(publication)}


def test_nothing_is_live_at_first(store: ControlStore) -> None:
    assert store.live_objects() == []
    assert store.publications(5) == []
    assert store.publication_of("v1") is None
    assert store.last_publication(but=Source.MODEL) is None
    assert store.object_versions(CARD) == []


def test_a_new_body_is_the_next_version_and_the_only_live_one(store: ControlStore) -> None:
    publish(store, "v1", put(CARD, value=1), put(COAT, value=5))
    second = publish(store, "v2", put(CARD, value=2, owner="crm"))
    assert live(store) == {CARD: (2, {"value": 2, "owner": "crm"}), COAT: (1, {"value": 5})}
    versions = store.object_versions(CARD)
    assert [(held.version, held.status) for held in versions] == [
        (1, Status.RETIRED),
        (2, Status.LIVE),
    ]
    held = versions[1]
    assert (held.owner, held.author, held.note, held.at_ms) == ("crm", "ann", "because", 5)
    assert (second.version, second.source, second.actor) == ("v2", Source.CHANGE, "ada")


def test_objects_of_any_earlier_publication_are_still_known(store: ControlStore) -> None:
    first = publish(store, "v1", put(CARD, value=1))
    second = publish(store, "v2", put(COAT, value=5), ObjectChange(key=CARD))
    third = publish(store, "v3", ObjectChange(key=CARD, version=1))
    assert live(store, first.id) == {CARD: (1, {"value": 1})}
    assert live(store, second.id) == {COAT: (1, {"value": 5})}
    assert live(store, third.id) == live(store)
    assert live(store) == {CARD: (1, {"value": 1}), COAT: (1, {"value": 5})}
    assert [held.status for held in store.object_versions(CARD)] == [Status.LIVE]


def test_after_coming_back_the_next_version_is_a_new_one(store: ControlStore) -> None:
    publish(store, "v1", put(CARD, value=1))
    publish(store, "v2", put(CARD, value=2))
    publish(store, "v3", ObjectChange(key=CARD, version=1))
    publish(store, "v4", put(CARD, value=4))
    assert live(store) == {CARD: (3, {"value": 4})}


def test_publications_are_found_by_plan_and_by_what_made_them(store: ControlStore) -> None:
    publish(store, "v1", source=Source.FILES)
    publish(store, "v2", source=Source.MODEL)
    again = publish(store, "v1", source=Source.ROLLBACK)
    last = publish(store, "v3", source=Source.MODEL)
    assert store.publication_of("v1") == again
    assert store.last_publication(but=Source.MODEL) == again
    assert store.last_publication(but=Source.CHANGE) == last
    assert [row.version for row in store.publications(2)] == ["v3", "v1"]


def unpublishable(store: ControlStore, **more: Any) -> None:
    """Show that a draft is refused and leaves everything as it was."""
    before = (store.publications(9), live(store), store.audit_log(9), store.changes(9))
    with pytest.raises((ConflictError, NotFoundError)):
        publish(store, "v9", put(CARD, value=9), **more)
    assert (store.publications(9), live(store), store.audit_log(9), store.changes(9)) == before


def test_a_draft_made_on_what_is_not_live_any_more_changes_nothing(store: ControlStore) -> None:
    first = publish(store, "v1", put(CARD, value=1))
    publish(store, "v2", put(CARD, value=2))
    unpublishable(store, expected=first.id)
    unpublishable(store, expected=0)
    with pytest.raises(StaleError, match=r"published meanwhile: 'ada' made plan v2 live"):
        publish(store, "v3", expected=first.id)


def test_a_plan_or_a_version_that_is_not_there_changes_nothing(store: ControlStore) -> None:
    publish(store, "v1", put(CARD, value=1))
    unpublishable(store, version="v8")
    unpublishable(store, changes=[put(COAT, value=1), ObjectChange(key=CARD, version=2)])
    unpublishable(store, changes=[ObjectChange(key=COAT, version=1)])


def change_set(**changes: Any) -> ChangeSet:
    item = ChangeItem(
        key=CARD,
        operation=Operation.PUT,
        body={"value": 3, "nothing": None},
        base_version=0,
        author="ann",
        note="dearer",
        at_ms=2,
    )
    made = {
        "id": "spring",
        "name": "Spring",
        "author": "ann",
        "note": "it is spring",
        "at_ms": 1,
        "base": "v1",
        "revision": 1,
        "items": (item,),
    }
    return ChangeSet(**{**made, **changes})


def test_a_change_set_is_published_with_its_plan(store: ControlStore) -> None:
    publish(store, "v1")
    approved = change_set(status=ChangeStatus.APPROVED)
    store.add_change(approved, entry("create"))
    publication = publish(store, "v2", put(CARD, value=3), change=approved)
    kept = store.change("spring")
    assert kept is not None
    assert (kept.status, kept.version, kept.revision) == (ChangeStatus.PUBLISHED, "v2", 2)
    assert publication.change_set == "spring"
    assert store.object_versions(CARD)[0].change_set == "spring"
    unpublishable(store, change=approved)


def test_a_new_change_set_is_kept_with_what_it_publishes(store: ControlStore) -> None:
    new = change_set(id="files-1", status=ChangeStatus.APPROVED, revision=0)
    publish(store, "v1", put(CARD, value=3), change=new)
    kept = store.change("files-1")
    assert kept is not None
    assert (kept.status, kept.version, kept.revision) == (ChangeStatus.PUBLISHED, "v1", 1)
    assert kept.items == new.items


@pytest.mark.parametrize(
    "changes",
    [
        {"status": ChangeStatus.OPEN},
        {"status": ChangeStatus.IN_REVIEW},
        {"status": ChangeStatus.APPROVED, "revision": 3},
    ],
    ids=str,
)
def test_what_is_not_approved_as_it_is_changes_nothing(
    store: ControlStore, changes: dict[str, Any]
) -> None:
    publish(store, "v1")
    store.add_change(change_set(**changes), entry("create"))
    unpublishable(store, change=change_set(status=ChangeStatus.APPROVED))
    unpublishable(store, change=change_set(id="unheard of"))


def test_of_two_who_publish_at_once_one_does(store: ControlStore) -> None:
    first = publish(store, "v1", put(CARD, value=1))

    def attempt(number: int) -> bool:
        try:
            publish(store, f"w{number}", put(CARD, value=number), expected=first.id)
        except StaleError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(attempt, range(8)))
    assert done.count(True) == 1
    assert store.current() == f"w{done.index(True)}"
    assert live(store) == {CARD: (2, {"value": done.index(True)})}
    assert len(store.audit_log(99)) == 2


def test_many_objects_go_live_at_once(store: ControlStore) -> None:
    keys = [ObjectKey(ObjectKind.CONTENT, f"content {number:04}") for number in range(1_200)]
    publish(store, "v1", *(put(key, slots={"title": key.id}) for key in keys))
    publish(store, "v2", *(put(key, slots={}) for key in keys[::2]))
    found = store.live_objects()
    assert [held.key for held in found] == keys
    assert [held.version for held in found] == [2, 1] * 600
