"""One contract for every control store; what only SQL can get wrong is at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from control_stores import empty
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from nba.access.tables import api_keys
from nba.catalog.audit import AuditEntry
from nba.catalog.memory import MemoryControlStore
from nba.catalog.publications import PublicationDraft, Source
from nba.catalog.sql import SqlControlStore
from nba.catalog.store import ControlStore, PlanRow, Snapshot
from nba.catalog.tables import metadata
from nba.errors import ConflictError, NotFoundError


def save(store: ControlStore, version: str, artifact: bytes, at_ms: int = 1) -> None:
    store.save_plan(version, artifact, note=f"note {version}", author="ada", at_ms=at_ms)


def make_live(store: ControlStore, version: str, at_ms: int = 1) -> None:
    """Make a plan live as files do, whatever is live now."""
    latest = store.publications(1)
    store.publish(
        PublicationDraft(
            version=version,
            source=Source.FILES,
            expected=latest[0].id if latest else 0,
            at_ms=at_ms,
            actor="ada",
            entries=(),
        )
    )


def test_an_empty_store_has_nothing_to_say(store: ControlStore) -> None:
    assert store.current() is None
    assert store.plan("v1") is None
    assert store.plans(10) == []
    assert store.layouts() == {}
    assert store.snapshot(1) is None
    assert store.latest_snapshot("bandit") is None
    assert store.audit_log(10) == []


def test_a_plan_comes_back_as_it_was_saved(store: ControlStore) -> None:
    save(store, "v1", b"\x00\xff" * 1_000)
    assert store.plan("v1") == b"\x00\xff" * 1_000


def test_saving_the_same_plan_again_changes_nothing(store: ControlStore) -> None:
    save(store, "v1", b"one", at_ms=5)
    store.save_plan("v1", b"one", note="later", author="bob", at_ms=6)
    assert store.plans(10) == [
        PlanRow(version="v1", note="note v1", author="ada", at_ms=5, bytes=3)
    ]


def test_a_version_never_changes_its_meaning(store: ControlStore) -> None:
    save(store, "v1", b"one")
    with pytest.raises(ConflictError, match="plan v1 is already saved with another artifact"):
        save(store, "v1", b"two")
    assert store.plan("v1") == b"one"


def test_plans_are_listed_newest_first_up_to_a_limit(store: ControlStore) -> None:
    for number in (1, 2, 3):
        save(store, f"v{number}", b"x")
    assert [row.version for row in store.plans(2)] == ["v3", "v2"]


def test_rolling_back_is_making_an_older_plan_current_again(store: ControlStore) -> None:
    save(store, "v1", b"one")
    save(store, "v2", b"two")
    make_live(store, "v1", 1)
    make_live(store, "v2", 2)
    assert store.current() == "v2"
    make_live(store, "v1", 3)
    assert store.current() == "v1"


def test_a_plan_that_is_not_saved_cannot_be_current(store: ControlStore) -> None:
    save(store, "v1", b"one")
    make_live(store, "v1", 1)
    with pytest.raises(NotFoundError, match="plan v2 is not saved"):
        make_live(store, "v2", 2)
    assert store.current() == "v1"


def test_layouts_are_kept_for_good_under_unsigned_ids(store: ControlStore) -> None:
    store.save_layout(2**32 - 1, b"last")
    store.save_layout(0, b"first")
    store.save_layout(0, b"first")
    assert store.layouts() == {0: b"first", 2**32 - 1: b"last"}
    with pytest.raises(ConflictError, match="layout 0 is already saved with other data"):
        store.save_layout(0, b"other")


def test_a_snapshot_comes_back_with_its_positions(store: ControlStore) -> None:
    store.save_snapshot(7, "bandit", b"\x00state", {"resolved:0": "17-0", "resolved:1": "9-3"}, 50)
    expected = Snapshot(
        sequence=7,
        key="bandit",
        state=b"\x00state",
        positions={"resolved:0": "17-0", "resolved:1": "9-3"},
        at_ms=50,
    )
    assert store.snapshot(7) == expected
    assert store.latest_snapshot("bandit") == expected


def test_saving_the_same_snapshot_again_changes_nothing(store: ControlStore) -> None:
    store.save_snapshot(7, "bandit", b"state", {"s": "1"}, 50)
    store.save_snapshot(7, "bandit", b"state", {"s": "1"}, 60)
    kept = store.snapshot(7)
    assert kept is not None
    assert kept.at_ms == 50
    for key, state, positions in (
        ("other", b"state", {"s": "1"}),
        ("bandit", b"other", {"s": "1"}),
        ("bandit", b"state", {"s": "2"}),
    ):
        with pytest.raises(ConflictError, match="snapshot 7 is already saved with another state"):
            store.save_snapshot(7, key, state, positions, 50)


def test_the_latest_snapshot_is_the_one_with_the_highest_sequence(store: ControlStore) -> None:
    store.save_snapshot(9, "a", b"nine", {}, 10)
    store.save_snapshot(8, "a", b"eight", {}, 20)
    store.save_snapshot(10, "b", b"ten", {}, 30)
    latest = store.latest_snapshot("a")
    assert latest is not None
    assert latest.sequence == 9


def test_pruning_keeps_recent_snapshots_and_what_was_the_latest_of_every_key_then(
    store: ControlStore,
) -> None:
    store.save_snapshot(1, "a", b"", {}, 100)
    store.save_snapshot(2, "a", b"", {}, 200)
    store.save_snapshot(3, "a", b"", {}, 300)
    store.save_snapshot(4, "b", b"", {}, 50)
    assert store.prune_snapshots(200) == 0  # 1 was the latest of its key then, 4 of the other
    assert store.prune_snapshots(300) == 1
    assert [store.snapshot(sequence) is not None for sequence in (1, 2, 3, 4)] == [
        False,
        True,
        True,
        True,
    ]
    assert store.prune_snapshots(1_000) == 1
    assert store.snapshot(3) is not None
    assert store.snapshot(4) is not None


def test_writers_in_many_threads_lose_nothing(store: ControlStore) -> None:
    def write(number: int) -> None:
        store.audit(AuditEntry(at_ms=number, actor="worker", verb="write", subject=str(number)))
        save(store, "shared", b"same")
        store.save_snapshot(number, "bandit", b"s", {}, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert sorted(row.at_ms for row in store.audit_log(100)) == list(range(40))
    assert len(store.plans(10)) == 1
    latest = store.latest_snapshot("bandit")
    assert latest is not None
    assert latest.sequence == 39


operations = st.lists(
    st.one_of(
        st.tuples(st.just("plan"), st.sampled_from("uvw"), st.sampled_from([b"", b"x"])),
        st.tuples(st.just("current"), st.sampled_from("uvw"), st.none()),
        st.tuples(st.just("snapshot"), st.integers(0, 5), st.sampled_from("kl")),
        st.tuples(st.just("prune"), st.integers(0, 60), st.none()),
    ),
    max_size=12,
)


def play(store: ControlStore, steps: list[tuple[str, object, object]]) -> list[object]:
    seen: list[object] = []
    for at_ms, (verb, first, second) in enumerate(steps):
        try:
            match verb, first, second:
                case "plan", str(version), bytes(artifact):
                    save(store, version, artifact, at_ms)
                case "current", str(version), _:
                    make_live(store, version, at_ms)
                case "snapshot", int(sequence), str(key):
                    store.save_snapshot(sequence, key, b"s", {}, 60 - 10 * sequence)
                case "prune", int(since), _:
                    seen.append(store.prune_snapshots(since))
        except (ConflictError, NotFoundError) as error:
            seen.append(str(error))
        seen += [store.current(), store.plans(2), [store.latest_snapshot(k) for k in "kl"]]
    return seen


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=operations)
def test_sql_answers_as_memory_does(
    steps: list[tuple[str, object, object]], sql_store: SqlControlStore
) -> None:
    empty(sql_store)
    assert play(sql_store, steps) == play(MemoryControlStore(), steps)


def test_what_was_saved_survives_reopening(database_url: str) -> None:
    first = SqlControlStore.create(database_url)
    save(first, "v1", b"one")
    make_live(first, "v1", 1)
    first.close()
    second = SqlControlStore.create(database_url)
    assert second.current() == "v1"
    assert second.plan("v1") == b"one"
    second.close()


def test_replicas_that_start_at_once_find_one_database(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(SqlControlStore.create, [database_url] * 4))
    save(stores[0], "v1", b"one")
    assert [store.plan("v1") for store in stores] == [b"one"] * 4
    for store in stores:
        store.close()


def test_a_reader_is_not_held_up_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqlControlStore.create(f"sqlite:///{path}")
    save(store, "v1", b"one")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        writer.exec_driver_sql("DELETE FROM plans")
        assert store.plan("v1") == b"one"
        writer.rollback()
    engine.dispose()
    store.close()


def test_migrations_lead_to_the_tables_the_code_uses(database_url: str) -> None:
    SqlControlStore.create(database_url).close()
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert api_keys.metadata is metadata
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
