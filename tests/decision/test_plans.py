"""Plans by version: compiled once, with the bandit's snapshot asked for, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import NOW_MS, Shop, stump

from nba.decision.learned import Learned, pack_learned
from nba.decision.plans import PlanPointer, PlanRepository, parse_version, read_pointer
from nba.errors import CorruptRecordError, NotFoundError


@given(st.from_regex(r"[0-9a-f]{10}", fullmatch=True), st.integers(0, 2**60))
def test_a_pointer_and_a_version_are_read_back(digest, snapshot):
    pointer = PlanPointer(digest, snapshot)
    assert read_pointer(pointer.to_bytes()) == pointer
    assert parse_version(pointer.version) == pointer


@pytest.mark.parametrize("text", ["", "abc", "abc.", ".1", "abc.x", "abc.-1", "abc.1.5"])
def test_what_is_no_plan_version_is_not_found(text):
    with pytest.raises(NotFoundError, match="no plan version"):
        parse_version(text)


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x91\x01", b"text"])
def test_what_is_no_pointer_is_corrupt(packed):
    with pytest.raises(CorruptRecordError, match="plan pointer"):
        read_pointer(packed)


def test_a_plan_is_compiled_once_also_when_many_threads_ask(shop: Shop) -> None:
    repository = PlanRepository(shop.control)
    pointer = PlanPointer(shop.plan.digest)
    repository.get(pointer)
    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(lambda _: repository.get(pointer), range(32)))
    assert len({id(plan) for plan in plans}) == 1
    assert plans[0].version == f"{shop.plan.digest}.0"


def test_earlier_plans_are_there_for_replay_however_many_came_after(shop: Shop) -> None:
    first = shop.plan.digest
    for number in range(6):
        shop.promote(stump(-3.0, number / 10))
    again = shop.repository.get(PlanPointer(first))
    assert again.digest == first
    assert again.source.models == ()


def test_a_snapshot_changes_what_was_learned_and_nothing_else(shop: Shop) -> None:
    learned = Learned.nothing(shop.project.bandit)
    for _ in range(50):
        learned.actions.update("coat", -3.0, [30.0, 0.0], 1.0)
    shop.control.save_snapshot(7, "key", pack_learned(learned, 0), {}, NOW_MS)
    base = shop.repository.get(PlanPointer(shop.plan.digest))
    taught = shop.repository.get(PlanPointer(shop.plan.digest, 7))
    assert (taught.version, taught.updates) == (f"{shop.plan.digest}.7", 50)
    assert (base.snapshot, base.updates) == (0, 0)
    before, after = (plan.placements["web.hero"] for plan in (base, taught))
    assert after.guards is before.guards
    logits = before.prior_logits
    z = [30.0, 0.0]
    learned = after.learner.logits(logits, z) - before.learner.logits(logits, z)
    moved = {a for a, change in zip(after.action_ids, learned, strict=True) if abs(change) > 1e-9}
    assert moved == {"coat"}
    assert learned[after.action_ids.index("coat")] > 0


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        (PlanPointer("0123456789"), "plan 0123456789 is not in the control store"),
        (PlanPointer("", 99), "bandit snapshot 99 is not kept any more"),
    ],
)
def test_what_is_not_kept_is_not_found(shop: Shop, pointer: PlanPointer, message: str) -> None:
    asked = PlanPointer(pointer.digest or shop.plan.digest, pointer.snapshot)
    with pytest.raises(NotFoundError, match=message):
        shop.repository.get(asked)
