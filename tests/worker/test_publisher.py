"""Publishing: the same project is the same plan, and a bad model takes nothing down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from shop import NOW_MS, Shop, stump, write_project

from nba.catalog.memory import MemoryControlStore
from nba.decision.artifact import version_of
from nba.decision.plan import Plan
from nba.decision.plans import PlanRepository
from nba.decision.project import load_project
from nba.domain.clock import ManualClock
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, NotFoundError
from nba.models import MemoryModelRegistry, ModelInput, PropensityModel
from nba.worker.publisher import PUBLISH, ROLLBACK, Publisher


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path / "shop"))


def test_what_is_published_is_kept_current_and_audited(shop: Shop) -> None:
    assert shop.control.current() == shop.plan.digest
    artifact = shop.control.plan(shop.plan.digest)
    assert artifact is not None
    assert version_of(artifact) == shop.plan.digest
    (row,) = shop.control.audit_log(10)
    assert (row.at_ms, row.actor, row.verb, row.subject) == (
        NOW_MS,
        "test",
        PUBLISH,
        shop.plan.digest,
    )


def test_the_same_project_is_the_same_plan_audited_once(shop: Shop, tmp_path: Path) -> None:
    first = shop.plan.digest
    assert shop.publish().digest == first
    again = Publisher(shop.control, shop.registry, alias="live", clock=ManualClock(NOW_MS + 5))
    copy = load_project(write_project(tmp_path / "copy"))
    assert again.publish(copy, note="", author="another").digest == first
    assert len(shop.control.plans(10)) == 1
    assert len(shop.control.audit_log(10)) == 1


def test_a_changed_project_is_another_plan(shop: Shop, tmp_path: Path) -> None:
    first = shop.plan.digest
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    second = shop.publisher.publish(changed, note="stricter", author="ann").digest
    assert second != first
    assert shop.control.current() == second
    assert [(row.subject, row.detail) for row in shop.control.audit_log(10)] == [
        (second, "stricter"),
        (first, ""),
    ]
    assert shop.control.plan(first) is not None


def test_a_moved_alias_is_noticed_until_it_is_published(shop: Shop) -> None:
    specs = shop.project.models
    assert not shop.publisher.models_moved(specs)
    digests = [shop.plan.digest]
    for low in (-2.0, -1.0):
        version = shop.registry.register(stump(low, 0.5))
        assert not shop.publisher.models_moved(specs)
        shop.registry.set_alias("conversion", "live", version)
        assert shop.publisher.models_moved(specs)
        plan = shop.publish()
        assert not shop.publisher.models_moved(specs)
        assert plan.source.model_versions == {"conversion": version}
        digests.append(plan.digest)
    assert len(set(digests)) == 3
    shop.registry.set_alias("conversion", "live", "1")
    assert shop.publisher.models_moved(specs)
    assert shop.publish().digest == digests[1]


def test_another_alias_moves_nothing(shop: Shop) -> None:
    shop.registry.set_alias("conversion", "candidate", shop.registry.register(stump(-2.0, 0.5)))
    assert not shop.publisher.models_moved(shop.project.models)
    assert shop.publish().source.model_versions == {}


def test_without_a_registry_a_plan_decides_on_priors(shop: Shop) -> None:
    alone = Publisher(shop.control, None, alias="live", clock=shop.clock)
    assert not alone.models_moved(shop.project.models)
    assert alone.publish(shop.project, note="", author="test").digest == shop.plan.digest


class _Broken(MemoryModelRegistry):
    """Points at a model that cannot be loaded."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def alias_version(self, name: str, alias: str) -> str | None:  # noqa: ARG002  # the port
        return "7"

    def load(self, name: str, version: str) -> PropensityModel:  # noqa: ARG002  # the port
        raise self.error


@pytest.mark.parametrize(
    "error", [CorruptRecordError("half a file"), NotFoundError("no version 7")], ids=repr
)
def test_a_model_that_cannot_be_loaded_is_left_out_loudly(
    shop: Shop, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher(shop.control, _Broken(error), alias="live", clock=shop.clock)
    plan = publisher.publish(shop.project, note="", author="test")
    assert plan.digest == shop.plan.digest
    assert plan.source.models == ()
    assert f"model conversion version 7 is left out: {error}" in caplog.text
    assert not publisher.models_moved(shop.project.models)


def test_a_model_that_does_not_fit_the_project_is_left_out(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    known = stump(-2.0, 0.5)
    stranger = replace(
        known,
        forest=replace(known.forest, feature_names=("shoe_size", "action_value")),
        inputs=(ModelInput("shoe_size", "situation"), ModelInput("action_value", "candidate")),
    )
    first = shop.plan.digest
    assert shop.promote(stranger).digest == first
    assert "model conversion version 1 is left out" in caplog.text
    assert shop.promote(stump(-2.0, 0.5)).source.model_versions == {"conversion": "2"}


def test_files_lead_until_something_else_decides_what_is_live(shop: Shop, tmp_path: Path) -> None:
    publisher = shop.publisher
    assert publisher.files_lead()
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    publisher.publish(changed, note="", author="ann")
    publisher.make_current(shop.plan.digest, note="worse", author="ann", verb=ROLLBACK)
    assert not publisher.files_lead()
    shop.registry.set_alias("conversion", "live", shop.registry.register(stump(-2.0, 0.5)))
    publisher.promote(note="", author="worker")
    assert not publisher.files_lead()
    publisher.publish(changed, note="", author="ann")
    assert publisher.files_lead()
    assert Publisher(MemoryControlStore(), None, alias="live", clock=shop.clock).files_lead()


def test_a_rollback_brings_back_the_objects_it_was_live_with(shop: Shop, tmp_path: Path) -> None:
    before = {held.key: held.body for held in shop.control.live_objects()}
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    shop.publisher.publish(changed, note="", author="ann")
    assert {held.key: held.body for held in shop.control.live_objects()} == changed.objects
    shop.publisher.make_current(shop.plan.digest, note="", author="ann", verb=ROLLBACK)
    assert {held.key: held.body for held in shop.control.live_objects()} == before
    (row,) = shop.control.audit_log(1)
    assert (row.verb, row.subject) == (ROLLBACK, shop.plan.digest)
    assert row.diff == {"policy/two_a_day": {"version": [2, 1]}}
    with pytest.raises(NotFoundError, match="plan v9 was never live"):
        shop.publisher.make_current("v9", note="", author="ann", verb=ROLLBACK)


def test_files_are_published_as_a_change_set_of_what_differs(shop: Shop, tmp_path: Path) -> None:
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    shop.publisher.publish(changed, note="stricter", author="ann")
    first, second = reversed(shop.control.changes(5))
    assert {item.key for item in first.items} == set(shop.project.objects)
    (item,) = second.items
    assert (str(item.key), item.operation, item.base_version) == ("policy/two_a_day", "put", 1)
    assert (second.name, second.author, second.status) == ("files", "ann", "published")
    (row, _) = shop.control.audit_log(5)
    assert row.diff == {"policy/two_a_day": {"/limit": [2, 1]}}


def test_a_promoted_model_leaves_everything_else_as_it_is_live(shop: Shop, tmp_path: Path) -> None:
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    elsewhere = Publisher(shop.control, shop.registry, alias="live", clock=shop.clock)
    live = elsewhere.publish(changed, note="", author="ann")
    objects = shop.control.live_objects()
    shop.registry.set_alias("conversion", "live", shop.registry.register(stump(-2.0, 0.5)))
    plan = shop.publisher.promote(note="promoted", author="worker")
    assert plan.source.model_versions == {"conversion": "1"}
    assert plan.source.policies == live.source.policies
    assert plan.source.catalog == live.source.catalog
    assert shop.control.live_objects() == objects
    (publication,) = shop.control.publications(1)
    assert (publication.version, publication.source) == (plan.digest, "model")
    assert shop.publisher.promote(note="", author="worker").digest == plan.digest
    assert shop.control.publications(1) == [publication]


def test_after_a_rollback_only_another_promotion_moves_models(shop: Shop) -> None:
    bad = shop.registry.register(stump(-2.0, 0.5))
    first = shop.plan
    shop.registry.set_alias("conversion", "live", bad)
    shop.publisher.promote(note="", author="worker")
    elsewhere = Publisher(shop.control, shop.registry, alias="live", clock=shop.clock)
    elsewhere.make_current(first.digest, note="it is bad", author="ann", verb=ROLLBACK)
    shop.publisher.follow(first)
    assert not shop.publisher.models_moved(shop.project.models)
    restarted = Publisher(shop.control, shop.registry, alias="live", clock=shop.clock)
    restarted.follow(first)
    assert not restarted.models_moved(shop.project.models)
    shop.registry.set_alias("conversion", "live", shop.registry.register(stump(-3.0, 0.5)))
    assert restarted.models_moved(shop.project.models)


def test_a_promotion_missed_while_away_is_noticed_at_the_start(shop: Shop) -> None:
    shop.registry.set_alias("conversion", "live", shop.registry.register(stump(-2.0, 0.5)))
    restarted = Publisher(shop.control, shop.registry, alias="live", clock=shop.clock)
    restarted.follow(shop.plan)
    assert restarted.models_moved(shop.project.models)


def test_without_a_live_plan_there_is_nothing_to_promote(shop: Shop) -> None:
    alone = Publisher(MemoryControlStore(), None, alias="live", clock=shop.clock)
    with pytest.raises(NotFoundError, match="no plan is live yet"):
        alone.promote(note="", author="worker")


_INCOME = "features:\n  - {name: income, kind: attribute, type: number, description: Income., "
_INCOME += "unit: EUR, owner: crm}\n"
_WIDER = ("values: [none, gold]", "values: [none, silver, gold]")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("features:\n", _INCOME), {"age": 44.0, "tier": 1.0, "orders_30d": 1.0, "income": None}),
        (_WIDER, {"age": 44.0, "tier": 2.0, "orders_30d": 1.0}),
    ],
    ids=["a feature before all others", "a value among those of an enumeration"],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_profiles_of_an_older_layout_are_read_by_name(
    shop: Shop,
    tmp_path: Path,
    change: tuple[str, str],
    expected: dict[str, float | None],
    restarted: bool,  # noqa: FBT001  # a column of the table
) -> None:
    asyncio.run(shop.put("anna", age=44.0, tier="gold", consents={"email": "granted"}))
    asyncio.run(shop.order("anna"))
    profile = asyncio.run(shop.store.get(CustomerId("anna")))
    changed = load_project(write_project(tmp_path / "changed", features=change))
    assert changed.features.layout_id != shop.project.features.layout_id
    publisher = shop.publisher
    if restarted:
        publisher = Publisher(shop.control, shop.registry, alias="live", clock=shop.clock)
    plan = publisher.publish(changed, note="", author="test")
    assert set(shop.control.layouts()) == {
        changed.features.layout_id,
        shop.project.features.layout_id,
    }
    view = plan.features.read(profile, at_ms=NOW_MS)
    row = dict(zip(plan.features.names, view.features.tolist(), strict=True))
    found = {name: None if row[name] != row[name] else row[name] for name in expected}
    assert found == expected
    assert set(view.consents.values()) == {True}


def test_a_plan_that_does_not_compile_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    def refuse(*_: object) -> Plan:
        raise CorruptRecordError("it does not fit")

    before = shop.control.current(), shop.control.layouts(), shop.control.audit_log(10)
    changed = load_project(write_project(tmp_path / "changed", features=("features:\n", _INCOME)))
    repository = PlanRepository(shop.control, refuse)
    publisher = Publisher(
        shop.control, shop.registry, alias="live", clock=shop.clock, repository=repository
    )
    with pytest.raises(CorruptRecordError, match="does not fit"):
        publisher.publish(changed, note="", author="test")
    assert (shop.control.current(), shop.control.layouts(), shop.control.audit_log(10)) == before


def test_a_rollback_to_what_does_not_compile_any_more_changes_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    def refuse(*_: object) -> Plan:
        raise CorruptRecordError("it does not fit")

    first = shop.plan.digest
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    shop.publisher.publish(changed, note="", author="test")
    before = shop.control.publications(10), shop.control.audit_log(10)
    repository = PlanRepository(shop.control, refuse)
    publisher = Publisher(
        shop.control, shop.registry, alias="live", clock=shop.clock, repository=repository
    )
    with pytest.raises(CorruptRecordError, match="does not fit"):
        publisher.make_current(first, note="", author="test", verb=ROLLBACK)
    assert (shop.control.publications(10), shop.control.audit_log(10)) == before
