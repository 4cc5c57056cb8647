"""Change sets as they are kept: whole, in order, and never over somebody else's revision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nba.catalog.audit import AuditEntry
from nba.catalog.changes import (
    STEPS,
    Approval,
    ChangeItem,
    ChangeSet,
    ChangeStatus,
    Operation,
)
from nba.catalog.objects import ObjectKey, ObjectKind
from nba.catalog.store import ControlStore
from nba.errors import ConflictError, NotFoundError

ENTRY = AuditEntry(at_ms=1, actor="ann", verb="change.put", subject="spring", detail="why")


def item(operation: Operation = Operation.PUT, **changes: Any) -> ChangeItem:
    made: dict[str, Any] = {
        "key": ObjectKey(ObjectKind.POLICY, "cap"),
        "operation": operation,
        "base_version": 2,
        "author": "ann",
        "note": "stricter",
        "at_ms": 4,
    }
    return ChangeItem(**{**made, **changes})


def change(**changes: Any) -> ChangeSet:
    made: dict[str, Any] = {
        "id": "spring",
        "name": "Spring!",
        "author": "ann",
        "note": "it is spring",
        "at_ms": 3,
        "base": "v1",
    }
    return ChangeSet(**{**made, **changes})


def test_a_change_set_comes_back_whole_and_in_order(store: ControlStore) -> None:
    made = change(
        status=ChangeStatus.IN_REVIEW,
        items=(
            item(body={"limit": 1, "window": "7d", "applies_to": {"terms": ["a:b"]}, "x": None}),
            item(Operation.RETIRE, key=ObjectKey(ObjectKind.ACTION, "a/b ü")),
            item(Operation.RENAME, key=ObjectKey(ObjectKind.DIMENSION, "p:a"), target="b"),
        ),
        approvals=(Approval(actor="bob", note="fine", at_ms=9),),
    )
    store.add_change(made, ENTRY)
    assert store.change("spring") == made
    assert store.changes(5) == [made]


def test_an_unknown_change_set_is_none(store: ControlStore) -> None:
    assert store.change("spring") is None
    assert store.changes(5) == []
    with pytest.raises(NotFoundError, match="there is no change set 'spring'"):
        store.save_change(change(), ENTRY)


def test_an_id_is_taken_once_and_nothing_is_audited_otherwise(store: ControlStore) -> None:
    store.add_change(change(), ENTRY)
    with pytest.raises(ConflictError, match="change set 'spring' is there already"):
        store.add_change(change(name="Another"), ENTRY)
    assert store.changes(5) == [change()]
    assert len(store.audit_log(5)) == 1


def test_saving_counts_revisions_and_refuses_stale_ones(store: ControlStore) -> None:
    store.add_change(change(), ENTRY)
    saved = store.save_change(replace(change(), items=(item(body={}), item(body={"b": 1}))), ENTRY)
    assert saved.revision == 1
    again = store.save_change(replace(saved, items=saved.items[1:]), ENTRY)
    assert store.change("spring") == again
    assert [held.body for held in again.items] == [{"b": 1}]
    with pytest.raises(ConflictError, match="it is at revision 2, not 1; read it again"):
        store.save_change(saved, ENTRY)
    assert store.change("spring") == again
    assert len(store.audit_log(9)) == 3
    assert store.verify_audit() is None


def test_lists_are_newest_first_and_by_status(store: ControlStore) -> None:
    for number in range(4):
        status = ChangeStatus.OPEN if number % 2 else ChangeStatus.ABANDONED
        store.add_change(change(id=f"c{number}", status=status), ENTRY)
    assert [held.id for held in store.changes(3)] == ["c3", "c2", "c1"]
    assert [held.id for held in store.changes(9, ChangeStatus.OPEN)] == ["c3", "c1"]


def test_of_many_who_save_a_revision_at_once_one_does(store: ControlStore) -> None:
    store.add_change(change(), ENTRY)

    def attempt(number: int) -> bool:
        try:
            store.save_change(change(note=str(number)), ENTRY)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(attempt, range(8)))
    assert done.count(True) == 1
    kept = store.change("spring")
    assert kept is not None
    assert (kept.note, kept.revision) == (str(done.index(True)), 1)


def test_every_status_but_the_last_ones_leads_somewhere() -> None:
    assert set(STEPS) == set(ChangeStatus)
    ends = {status for status, steps in STEPS.items() if not steps}
    assert ends == {ChangeStatus.PUBLISHED, ChangeStatus.ABANDONED}
    assert [status for status, steps in STEPS.items() if ChangeStatus.PUBLISHED in steps] == [
        ChangeStatus.APPROVED
    ]
