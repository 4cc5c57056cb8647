"""A plan's artifact: the same definitions are the same bytes; bytes that are none are refused."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from shop import PRICED, Shop, stump

from nba.decision.artifact import FORMAT, pack_plan, unpack_plan, version_of
from nba.decision.plan import compile_plan
from nba.domain.ids import ModelName
from nba.errors import CorruptRecordError

MODEL = ModelName("conversion")


def test_reading_an_artifact_and_packing_it_again_gives_the_same_version(shop: Shop) -> None:
    artifact = pack_plan(shop.project, {MODEL: stump(-2.0, -1.0)})
    source = unpack_plan(artifact)
    assert source.catalog == shop.project.catalog
    assert source.policies == shop.project.policies
    assert source.bandit == shop.project.bandit
    assert source.features.layout_id == shop.project.features.layout_id
    read = replace(
        shop.project,
        catalog=source.catalog,
        features=source.features,
        policies=source.policies,
        bandit=source.bandit,
    )
    again = pack_plan(read, {MODEL: source.models[0][1]})
    assert again == artifact
    assert version_of(again) == version_of(artifact)


def test_the_version_is_of_ten_digits_and_changes_with_any_definition_or_model(
    shop: Shop, make_shop
) -> None:
    versions = [
        version_of(pack_plan(shop.project, {})),
        version_of(pack_plan(shop.project, {MODEL: stump(-2.0, -1.0)})),
        version_of(pack_plan(shop.project, {MODEL: stump(-2.0, -1.5)})),
        make_shop(policies=("limit: 2", "limit: 3")).plan.digest,
        make_shop(catalog=("value: 50", "value: 51")).plan.digest,
        make_shop(features=("window: 30d", "window: 31d")).plan.digest,
        make_shop(**{"models/bandit": ("gamma: 20", "gamma: 21")}).plan.digest,
    ]
    assert len(set(versions)) == len(versions)
    assert all(len(version) == 10 and int(version, 16) >= 0 for version in versions)


def test_a_spec_without_a_live_model_is_left_out(shop: Shop) -> None:
    assert unpack_plan(pack_plan(shop.project, {})).models == ()


def test_compiled_from_its_artifact_a_plan_has_the_same_candidates_in_the_same_order(
    shop: Shop,
) -> None:
    artifact = pack_plan(shop.project, {})
    plan = compile_plan(unpack_plan(artifact), digest=version_of(artifact))
    for name, slot in plan.placements.items():
        assert slot.action_ids == shop.plan.placements[name].action_ids
        assert slot.action_ids[0] == "no_action"


def changed(artifact: bytes, **fields: object) -> bytes:
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(artifact), **fields})


def test_an_artifact_from_before_actions_had_goals_is_read(make_shop) -> None:
    shop = make_shop(**PRICED)
    assert unpack_plan(pack_plan(shop.project, {})).catalog == shop.project.catalog
    catalog = msgspec.msgpack.decode(pack_plan(shop.project, {}))["catalog"]
    for action in catalog["actions"]:
        for name in ("goals", "value_from", "value_cap"):
            del action[name]
    found = unpack_plan(changed(pack_plan(shop.project, {}), catalog=catalog)).catalog
    assert {(len(one.goals), one.value_from, one.value_cap) for one in found.actions} == {
        (0, "declared", None)
    }


def test_another_format_is_refused_with_both_numbers(shop: Shop) -> None:
    artifact = changed(pack_plan(shop.project, {}), format=FORMAT + 1)
    with pytest.raises(CorruptRecordError, match=f"plan format {FORMAT + 1}, expected {FORMAT}"):
        unpack_plan(artifact)


@pytest.mark.parametrize("damage", ["cut", "text", "list", "lacks", "catalog", "policies", "model"])
def test_bytes_that_are_no_plan_are_corrupt(shop: Shop, damage: str) -> None:
    artifact = pack_plan(shop.project, {MODEL: stump(-2.0, -1.0)})
    content = msgspec.msgpack.decode(artifact)
    damaged = {
        "cut": artifact[:-20],
        "text": b"not a plan",
        "list": msgspec.msgpack.encode([1, 2]),
        "lacks": msgspec.msgpack.encode({"format": FORMAT}),
        "catalog": changed(artifact, catalog={"currency": 3}),
        "policies": changed(artifact, policies=[{"kind": "unheard_of"}]),
        "model": changed(
            artifact, models=[{**content["models"][0], "model": b"\x81\xa6format\x01"}]
        ),
    }[damage]
    with pytest.raises(CorruptRecordError):
        unpack_plan(damaged)
