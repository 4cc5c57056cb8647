"""Compiling a large plan, and what decisions notice of it.

The plan has 2,000 actions with five contents each in the reference project's ten placements, under
500 policies of every kind. It is compiled in a thread of a process that decides under another plan
meanwhile, as a replica does.
"""

from __future__ import annotations

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
from nba.decision.artifact import PlanSource, pack_plan, unpack_plan
from nba.decision.pipeline import DecisionInputs, decide
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import load_project
from nba.domain.catalog import Action, Content
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import ActionId, ContentId, CustomerId, PolicyId, new_decision_id
from nba.domain.policy import Policy, Selector
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

N_ACTIONS = 2_000
N_CONTENTS = 5
N_POLICIES = 500
ROUNDS = 3
AT_MS = 1_750_000_000_000

_ROOT = Path(__file__).resolve().parents[2]
_PLACEMENT = "web.home.hero"
_BETWEEN_SECONDS = 0.0005


def compiling() -> list[dict[str, Any]]:
    """Compile the large plan while deciding, and decide alone, by turns."""
    small = unpack_plan(pack_plan(load_project(_ROOT), {}))
    large = _large(small)
    plan = compile_plan(small, digest="small")
    sys.setswitchinterval(SWITCH_SECONDS)
    alone: list[float] = []
    beside: list[float] = []
    seconds: list[float] = []
    compile_plan(large, digest="warm")
    _decide(plan, 2_000, lambda: False)
    for _ in range(ROUNDS):
        alone += _decide(plan, 5_000, lambda: False)
        thread = threading.Thread(target=_timed, args=(large, seconds))
        thread.start()
        beside += _decide(plan, 0, thread.is_alive)
        thread.join()
    idle = [_clock(lambda: compile_plan(large, digest="large")) for _ in range(ROUNDS)]
    how = f"{N_ACTIONS:,} actions x {N_CONTENTS} contents x {N_POLICIES} policies, 10 placements"
    p50, p99 = (1e3 * float(np.percentile(alone, q)) for q in (50, 99))
    c50, c99 = (1e3 * float(np.percentile(beside, q)) for q in (50, 99))
    return [
        figure("compile: large plan", float(np.median(idle)), "s", how, at_most=5),
        figure("compile: while deciding", float(np.median(seconds)), "s", how),
        figure("compile: decision alone, median", p50, "ms", "in process"),
        figure("compile: decision meanwhile, median", c50, "ms", "in process"),
        figure("compile: decision alone, 99 %", p99, "ms", "in process"),
        figure("compile: decision meanwhile, 99 %", c99, "ms", "in process", at_most=5),
    ]


def _timed(source: PlanSource, seconds: list[float]) -> None:
    seconds.append(_clock(lambda: compile_plan(source, digest="large")))


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
