"""What the serving benchmarks decide about: the reference retailer with 24 and 50 candidates.

One model of 200 trees of 31 leaves, fitted on a simulated history, is given to every contender.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.bootstrap import Runtime, system_clock
from nba.catalog.publications import PublicationDraft, Source
from nba.catalog.reference import reference_root
from nba.decision.artifact import pack_plan, unpack_plan, version_of
from nba.decision.plan import Plan, compile_plan
from nba.decision.plans import PlanPointer
from nba.decision.project import Project, load_project
from nba.domain.catalog import Catalog, Content
from nba.domain.clock import ManualClock
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.ids import ActionId, ContentId, CustomerId, ModelName
from nba.features import ProfileService
from nba.ledger.memory_log import MemoryLog
from nba.models import Calibration, PropensityModel, parse_lightgbm
from nba.simulator.history import history_arrivals, run_history
from nba.simulator.service import InProcessService
from nba.simulator.world import World, build_world
from nba.training.dataset import resolved_choices
from nba.training.encoding import encode_rows, model_inputs

PLACEMENTS = {24: "web.product.banner", 50: "web.home.hero"}
"""The placement with so many candidates, ``no_action`` among them."""

CUSTOMERS = 2_000
_HISTORY = 4_000
_TREES = 200


@dataclass(frozen=True)
class Setting:
    """Everything the contenders share; ``booster`` is LightGBM's own form of the model."""

    project: Project
    world: World
    plan: Plan
    artifact: bytes
    booster: lightgbm.Booster
    model: PropensityModel


def widen(catalog: Catalog) -> Catalog:
    """Copy actions until each benchmarked placement has its number of candidates."""
    actions, contents = list(catalog.actions), list(catalog.contents)
    for size, placement in PLACEMENTS.items():
        here = {c.action for c in contents if placement in c.placements}
        offers = [action for action in catalog.actions if action.id in here]
        for number in range(size - 1 - len(offers)):
            original = offers[number % len(offers)]
            copy = replace(original, id=ActionId(f"{original.id}_{size}_{number}"))
            actions.append(copy)
            contents += [
                _copied(content, copy.id, placement)
                for content in catalog.contents
                if content.action == original.id and placement in content.placements
            ]
    return replace(catalog, actions=tuple(actions), contents=tuple(contents))


def _copied(content: Content, action: ActionId, placement: str) -> Content:
    identifier = ContentId(f"{content.id}.{action}")
    return replace(content, id=identifier, action=action, placements=(placement,))  # type: ignore[arg-type]


def make_setting(*, seed: int = 3) -> Setting:
    """Simulate a history, fit the model, compile the plan."""
    root = reference_root()
    project = load_project(root)
    project = replace(project, catalog=widen(project.catalog))
    start_ms = system_clock() - 100 * 86_400_000
    world = build_world(project.catalog, seed=seed, start_ms=start_ms, customers=CUSTOMERS)
    log = MemoryLog()
    services: list[InProcessService] = []
    bare = pack_plan(project, {})

    def make(arbiter: object, clock: ManualClock) -> InProcessService:
        services.append(InProcessService(bare, clock=clock, arbiter=arbiter, log=log))  # type: ignore[arg-type]
        return services[-1]

    async def play() -> None:
        arrivals = history_arrivals(world, decisions=_HISTORY, days=30.0)
        await run_history(world, arrivals, make_service=make)
        await services[0].finish()

    asyncio.run(play())
    booster, model = _fit(project, log, seed)
    artifact = pack_plan(project, {ModelName(model.name): model})
    plan = compile_plan(unpack_plan(artifact), digest=version_of(artifact))
    for size, placement in PLACEMENTS.items():
        assert len(plan.placements[placement].actions) == size, (placement, size)  # type: ignore[index]  # noqa: S101
    return Setting(project, world, plan, artifact, booster, model)


def _fit(project: Project, log: MemoryLog, seed: int) -> tuple[lightgbm.Booster, PropensityModel]:
    spec = project.models[0]
    rows = resolved_choices(log)
    inputs = model_inputs(spec, rows)
    matrix = encode_rows(inputs, rows)
    names = [item.name for item in inputs]
    dataset = lightgbm.Dataset(
        matrix,
        rows["label"].to_numpy(),
        feature_name=names,
        categorical_feature=[item.name for item in inputs if item.categories is not None],
    )
    parameters = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.02,
        "min_data_in_leaf": 10,
        "verbosity": -1,
        "seed": seed,
        "num_threads": 2,
    }
    booster = lightgbm.train(parameters, dataset, num_boost_round=_TREES)
    model = PropensityModel(
        name=spec.name,
        version="1",
        forest=parse_lightgbm(booster.model_to_string()),
        calibration=Calibration(),
        inputs=inputs,
        trained_through_ms=0,
        base_rate=0.05,
    )
    return booster, model


async def load_customers(setting: Setting, runtime: Runtime) -> None:
    """Publish the plan and make the service know the world's customers."""
    runtime.control.save_plan(
        setting.plan.digest, setting.artifact, note="", author="benchmark", at_ms=0
    )
    runtime.control.publish(
        PublicationDraft(
            version=setting.plan.digest,
            source=Source.FILES,
            expected=0,
            at_ms=0,
            actor="benchmark",
            entries=(),
        )
    )
    await runtime.ledger.set_plan(PlanPointer(setting.plan.digest).to_bytes(), expected=None)
    features = setting.plan.features
    profiles = ProfileService(runtime.profiles, lambda: features, runtime.clock)
    for record in setting.world.records:
        body = record.body()
        update = ProfileUpdate(
            customer_id=CustomerId(record.customer_id),
            attributes=body["attributes"],
            consents={
                channel: {purpose: Consent(word) for purpose, word in purposes.items()}
                for channel, purposes in body["consents"].items()
            },
            time_zone=body.get("time_zone"),
            locale=body.get("locale"),
        )
        await profiles.put(update)
    events = [_event(body) for body in setting.world.past_events()]
    for start in range(0, len(events), 500):
        await profiles.ingest(events[start : start + 500])


def _event(body: dict[str, object]) -> Event:
    from nba.simulator.local import _milliseconds

    at_ms = _milliseconds(str(body["timestamp"]))
    return Event(
        customer_id=CustomerId(str(body["userId"])),
        name=str(body["event"]),
        message_id=str(body["messageId"]),
        at_ms=at_ms,
        received_at_ms=at_ms,
        properties=body["properties"],  # type: ignore[arg-type]
    )


def bodies(setting: Setting, placement: str, count: int, seed: int) -> list[bytes]:
    """Return request bodies for customers at random."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(setting.world.records), count)
    devices = rng.choice(["desktop", "mobile", "tablet"], count).tolist()
    return [
        msgspec.json.encode(
            {
                "customer_id": setting.world.records[index].customer_id,
                "placements": [{"id": placement, "count": 1}],
                "context": {"device": device, "daypart": "evening", "month": 6},
            }
        )
        for index, device in zip(chosen, devices, strict=True)
    ]


def write_peer_files(setting: Setting, folder: Path) -> NDArray[np.float64]:
    """Write what the hand-written service needs; return its candidate table of 50 rows."""
    setting.booster.save_model(str(folder / "model.txt"))
    slot = setting.plan.placements[PLACEMENTS[50]]  # type: ignore[index]
    situation = [i.name for i in setting.model.inputs if i.level == "situation"]
    candidate = [i.name for i in setting.model.inputs if i.level == "candidate"]
    table = np.full((len(slot.actions), len(candidate)), np.nan)  # it does without crosses
    for column, name in enumerate(candidate):
        if name in slot.table.names:
            table[:, column] = slot.table.columns[:, slot.table.names.index(name)]
    np.save(folder / "candidates.npy", table)
    order = [[*situation, *candidate].index(item.name) for item in setting.model.inputs]
    about = {
        "counts": {placement: size for size, placement in PLACEMENTS.items()},
        "situation": situation,
        "order": order,
        "actions": list(slot.action_ids),
        "values": slot.values.tolist(),
    }
    (folder / "handwritten.json").write_bytes(msgspec.json.encode(about))
    return table
