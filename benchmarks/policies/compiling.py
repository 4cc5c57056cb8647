"""Compiling a large plan, and what decisions notice of it.

The plan has 2,000 actions with five contents each in the reference project's ten placements, under
500 policies of every kind. A process that decides under another plan follows it meanwhile, with all
that a replica does: read the artifact, have it compiled by a child, take the plan over, warm it and
swap. The same with a thread that compiles is shown beside it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import figure
from nba.bootstrap import collect_rarely, system_clock
from nba.catalog.memory import MemoryControlStore
from nba.decision.artifact import PlanSource, pack_plan, unpack_plan, version_of
from nba.decision.compiling import ChildCompiler, Compiler, compile_here
from nba.decision.pipeline import decide
from nba.decision.plan import Plan, compile_plan
from nba.decision.plans import PlanPointer, PlanRepository
from nba.decision.project import load_project
from nba.decision.situations import DecisionInputs
from nba.domain.catalog import Action, Content
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import ActionId, ContentId, CustomerId, PolicyId, new_decision_id
from nba.domain.policy import Policy, Selector
from nba.features.rollout_memory import MemoryRolloutStore
from nba.ledger.memory import MemoryLedger
from nba.policies import PolicyKind
from nba.policies.kinds import (
    Budget,
    ConsentPolicy,
    ContactCap,
    Eligibility,
    Exclusion,
    Holdout,
    Lever,
    QuietHours,
    Suitability,
    Suppression,
)
from nba.serving.api import SWITCH_SECONDS
from nba.serving.app import warm
from nba.serving.follower import PlanFollower

N_ACTIONS = 2_000
N_CONTENTS = 5
N_POLICIES = 500
ROUNDS = 3
AT_MS = 1_750_000_000_000

_ROOT = Path(__file__).resolve().parents[2]
_PLACEMENT = "web.home.hero"
_BETWEEN_SECONDS = 0.0005


def compiling() -> list[dict[str, Any]]:
    """Let a replica follow the large plan while it decides, and decide alone, by turns."""
    small = unpack_plan(pack_plan(load_project(_ROOT), {}))
    large = _large(small)
    artifact = pack_plan(large.definitions, {})
    plan = compile_plan(small, digest="small")
    sys.setswitchinterval(SWITCH_SECONDS)
    compile_plan(large, digest="warm")
    _decide(plan, 2_000, lambda: False)
    idle = [_clock(lambda: compile_plan(large, digest="large")) for _ in range(ROUNDS)]
    collect_rarely()
    how = f"{N_ACTIONS:,} actions x {N_CONTENTS} contents x {N_POLICIES} policies, 10 placements"
    shown = [figure("compile: large plan", float(np.median(idle)), "s", how, at_most=5)]
    child = ChildCompiler()
    try:
        shown += _following(plan, artifact, child, "in a child", goal=1.1)
    finally:
        child.close()
    return shown + _following(plan, artifact, compile_here, "in a thread")


def _following(
    plan: Plan, artifact: bytes, compiler: Compiler, name: str, *, goal: float | None = None
) -> list[dict[str, Any]]:
    """Return how long following takes, and what decisions take meanwhile and before."""
    alone: list[float] = []
    beside: list[float] = []
    seconds: list[float] = []
    for _ in range(ROUNDS):
        alone += _decide(plan, 5_000, lambda: False)
        thread = threading.Thread(target=_follow, args=(artifact, compiler, seconds))
        thread.start()
        beside += _decide(plan, 0, thread.is_alive)
        thread.join()
    how = f"a replica that compiles {name}, from the pointer to the swap"
    shown = [figure(f"{name}: followed after", float(np.median(seconds)), "s", how)]
    for label, q in (("median", 50), ("99 %", 99)):
        before, meanwhile = (float(np.percentile(taken, q)) for taken in (alone, beside))
        shown += [
            figure(f"{name}: decision alone, {label}", 1e3 * before, "ms", "in process"),
            figure(f"{name}: decision meanwhile, {label}", 1e3 * meanwhile, "ms", "in process"),
            figure(f"{name}: decision, {label}", meanwhile / before, "x alone", how, at_most=goal),
        ]
    return shown


def _follow(artifact: bytes, compiler: Compiler, seconds: list[float]) -> None:
    """Follow the plan as a replica does that has just been pointed at it."""
    control = MemoryControlStore()
    digest = version_of(artifact)
    control.save_plan(digest, artifact, note="", author="benchmark", at_ms=0)

    async def follow() -> None:
        ledger = MemoryLedger({})
        await ledger.set_plan(PlanPointer(digest).to_bytes(), expected=None)
        follower = PlanFollower(
            ledger,
            MemoryRolloutStore({}, system_clock),
            PlanRepository(control, compiler),
            replica="benchmark",
            poll_seconds=1.0,
            swapped=warm,
        )
        started = time.perf_counter()
        await follower.follow()
        seconds.append(time.perf_counter() - started)

    asyncio.run(follow())


def _clock(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _decide(plan: Plan, least: int, goes_on: Callable[[], bool]) -> list[float]:
    """Decide at least so often, and as long as something goes on; return the seconds each took."""
    features = plan.features.read(None, at_ms=AT_MS).features.astype(np.float32)
    request = DecisionRequest(
        customer_id=CustomerId("anna"), placements=(PlacementRequest(id=_PLACEMENT),)
    )
    took: list[float] = []
    while len(took) < least or goes_on():
        inputs = DecisionInputs(
            decision_id=new_decision_id(0, AT_MS, len(took)),
            at_ms=AT_MS,
            seed=len(took),
            request=request,
            features=features,
            consents={},
            time_zone="Europe/Berlin",
            locale=None,
            history=EMPTY_HISTORY,
        )
        arrives = time.perf_counter() + _BETWEEN_SECONDS
        time.sleep(_BETWEEN_SECONDS)  # and then waits for whoever holds the interpreter
        decide(plan, inputs)
        took.append(time.perf_counter() - arrives)
    return took


def _large(source: PlanSource) -> PlanSource:
    catalog = source.catalog
    nothing = next(action for action in catalog.actions if action.is_no_action)
    terms = [term for term in catalog.taxonomy.terms() if term.startswith("product:")]
    actions = [nothing]
    contents = []
    places = [placement.id for placement in catalog.placements]
    for number in range(N_ACTIONS):
        action = Action(
            id=ActionId(f"action{number:04}"),
            name=f"Action {number}",
            terms=(terms[number % len(terms)],),
            value=float(1 + number % 50),
            base_rate=0.01 + 0.001 * (number % 40),
        )
        actions.append(action)
        contents += [
            Content(
                id=ContentId(f"{action.id}.{variant}"),
                action=action.id,
                group=action.id,
                placements=tuple(places[variant * 2 : variant * 2 + 2]),
                locale="en",
                slots={"title": f"Title {number}"},
            )
            for variant in range(N_CONTENTS)
        ]
    wide = replace(catalog, actions=tuple(actions), contents=tuple(contents))
    return replace(source, catalog=wide, policies=tuple(_policies(terms)))


def _policies(terms: list[str]) -> Iterator[Policy]:
    for number in range(N_POLICIES):
        selector = Selector(terms=(terms[number % len(terms)],))
        kind, fields = _KINDS[number % len(_KINDS)]
        if kind in (ConsentPolicy, QuietHours):
            selector = Selector(channels=("email",))
        yield kind(
            id=PolicyId(f"policy{number:03}"),
            description="d",
            applies_to=selector,
            **fields(number),
        )


_DAY = timedelta(days=1)
_KINDS: tuple[tuple[type[PolicyKind], Callable[[int], dict[str, Any]]], ...] = (
    (Eligibility, lambda n: {"condition": f"customer.credit_utilisation < 0.{n:03}"}),
    (Suitability, lambda n: {"condition": f"customer.orders_30d < {n} || action.value > {n}"}),
    (ContactCap, lambda n: {"limit": 1 + n % 5, "window": (1 + n % 30) * _DAY}),
    (Lever, lambda n: {"weight": 1.0 + n % 3}),
    (Suppression, lambda n: {"events": ("Complaint Opened",), "pause": n * _DAY / 10}),
    (Budget, lambda n: {"limit": 1_000 + n, "period": "day"}),
    (Exclusion, lambda _: {"window": _DAY}),
    (Holdout, lambda n: {"share": 0.01, "salt": f"s{n}"}),
    (ConsentPolicy, lambda _: {}),
    (QuietHours, lambda _: {"start": "22:00", "end": "08:00"}),
)
"""Ten kinds, and the fields of one of each by its number."""
