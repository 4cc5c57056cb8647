"""Snapshots: what was learned of actions and contents comes back to the last bit."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from shop import NOW_MS, Shop

from nba.catalog.store import Snapshot
from nba.decision.learned import FORMAT, Learned, LearnedStates, SnapshotWriter, pack_learned
from nba.errors import ConflictError, CorruptRecordError


@pytest.fixture
def learned(shop: Shop) -> Learned:
    found = Learned.nothing(shop.project.bandit)
    for number in range(30):
        z = [20.0 + number, float(number % 3)]
        found.actions.update("shirt", -2.0, z, float(number % 2))
        found.contents.update("shirt.en.b", -1.5, z, float(number % 2))
        found.goals.update("shirt:leave", -4.0, z, float(number % 3 == 0))
        found.amounts.observe("shirt", float(number), cap=20.0)
        found.ranks.note(shop.plan.placements["web.hero"].placement, 1 + number % 3)
    return found


def snapshot_of(state: bytes) -> Snapshot:
    return Snapshot(sequence=7, key="key", state=state, positions={}, at_ms=NOW_MS)


def test_a_saved_state_comes_back_to_the_last_bit(shop: Shop, learned: Learned) -> None:
    number = SnapshotWriter(shop.control, shop.clock).save("key", learned, {"0": "5-0"})
    kept = shop.control.snapshot(number)
    assert kept is not None
    assert kept.state == pack_learned(learned, 0)
    opened, forests = LearnedStates(shop.control).open(kept, shop.project.bandit)
    assert forests == 0
    assert (opened.updates, opened.contents.updates) == (30, 30)
    assert opened.contents.to_bytes() == learned.contents.to_bytes()
    assert opened.goals.to_bytes() == learned.goals.to_bytes()
    assert opened.amounts.mean("shirt", 5.0) == learned.amounts.mean("shirt", 5.0) != 5.0
    assert opened.ranks.counts == [("web.hero", 2, 1.0, 10), ("web.hero", 3, 1.0, 10)]
    assert pack_learned(opened, 0) == kept.state


def test_a_snapshot_from_before_what_stands_beside_actions_was_learned_knows_nothing_of_it(
    shop: Shop, learned: Learned
) -> None:
    actions = learned.actions.to_bytes(forests=False, memory=False)
    before = msgspec.msgpack.encode({"format": FORMAT, "forests": 0, "state": actions})
    opened, _ = LearnedStates(shop.control).open(snapshot_of(before), shop.project.bandit)
    assert opened.updates == 30
    assert opened.contents.actions == opened.goals.actions == opened.amounts.actions == ()
    assert opened.ranks.counts == []


def test_a_state_on_other_features_is_refused(shop: Shop, learned: Learned) -> None:
    other = replace(shop.project.bandit, features=("age",))
    with pytest.raises(ConflictError, match="2 features"):
        LearnedStates(shop.control).open(snapshot_of(pack_learned(learned, 0)), other)


@pytest.mark.parametrize("part", ["contents", "goals", "amounts"])
def test_bytes_that_are_no_state_are_refused(shop: Shop, learned: Learned, part: str) -> None:
    packed = msgspec.msgpack.decode(pack_learned(learned, 0))
    broken = msgspec.msgpack.encode({**packed, part: packed[part][:-9]})
    with pytest.raises(CorruptRecordError):
        LearnedStates(shop.control).open(snapshot_of(broken), shop.project.bandit)
