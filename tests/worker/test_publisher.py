"""Publishing: the same project is the same plan, and a bad model takes nothing down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shop import NOW_MS, Shop, stump, write_project

from nba.decision.artifact import version_of
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


@pytest.mark.parametrize(
    ("verbs", "rolled_back"),
    [
        ([], False),
        ([ROLLBACK], True),
        ([ROLLBACK, "promote", "pause"], True),
        ([ROLLBACK, PUBLISH], False),
        ([PUBLISH, ROLLBACK], True),
    ],
)
def test_a_rollback_counts_until_something_is_published(
    shop: Shop,
    verbs: list[str],
    rolled_back: bool,  # noqa: FBT001  # a column of the table
) -> None:
    for verb in verbs:
        shop.control.audit(NOW_MS, "ann", verb, "x", "")
    assert shop.publisher.rolled_back() is rolled_back


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


def test_a_plan_that_does_not_compile_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise CorruptRecordError("it does not fit")

    before = shop.control.current(), shop.control.layouts(), shop.control.audit_log(10)
    changed = load_project(write_project(tmp_path / "changed", features=("features:\n", _INCOME)))
    monkeypatch.setattr("nba.worker.publisher.compile_plan", refuse)
    publish: Callable[..., object] = shop.publisher.publish
    with pytest.raises(CorruptRecordError, match="does not fit"):
        publish(changed, note="", author="test")
    assert (shop.control.current(), shop.control.layouts(), shop.control.audit_log(10)) == before
