"""The small shop's plan, changes of it, and decisions recorded under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shop import NOW_MS, ask, write_project

from nba.decision.answer import encode_answer
from nba.decision.artifact import PlanSource
from nba.decision.pipeline import decide
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import load_project
from nba.decision.recording import pack_record, pack_request, read_record
from nba.decision.situations import DecisionInputs
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import new_decision_id
from nba.domain.policy import Policy
from nba.ledger.records import DecisionRecord


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> PlanSource:
    """Return the shop without a holdout, so that everybody may be told something."""
    project = load_project(write_project(tmp_path_factory.mktemp("shop") / "project"))
    return PlanSource(
        catalog=project.catalog,
        features=project.features,
        policies=tuple(policy for policy in project.policies if policy.id != "left_alone"),
        bandit=project.bandit,
        models=(),
    )


@pytest.fixture(scope="session")
def live(source: PlanSource) -> Plan:
    """Return the plan that is live."""
    return compile_plan(source, digest="aaaaaaaaaa")


@pytest.fixture(scope="session")
def evenly(source: PlanSource) -> Plan:
    """Return the shop drawing evenly among all that are left."""
    bandit = replace(source.bandit, explorer="uniform")
    return compile_plan(replace(source, bandit=bandit), digest="cccccccccc")


@pytest.fixture(scope="session")
def changed(source: PlanSource) -> Callable[..., Plan]:
    """Compile the shop with policies added and other things replaced."""

    def make(*policies: Policy, **changes: Any) -> Plan:
        changes.setdefault("policies", (*source.policies, *policies))
        return compile_plan(replace(source, **changes), digest="bbbbbbbbbb")

    return make


@pytest.fixture(scope="session")
def decided() -> Callable[..., DecisionRecord]:
    """Decide under a plan as it is, and return the record."""

    def make(
        plan: Plan,
        *placements: str | tuple[str, int],
        customer_id: str = "anna",
        age: float = 30.0,
        seed: int = 1,
        **request: Any,
    ) -> DecisionRecord:
        features = plan.features.read(None, at_ms=NOW_MS).features.copy()
        features[plan.features.names.index("age")] = age
        plan.features.derive(features)
        asked = ask(customer_id, *placements, **request)
        inputs = DecisionInputs(
            decision_id=new_decision_id(0, NOW_MS + seed, seed),
            at_ms=NOW_MS + seed,
            seed=seed,
            request=asked,
            features=features.astype(np.float32),
            consents={},
            time_zone=None,
            locale=None,
            history=EMPTY_HISTORY,
        )
        answer = decide(plan, inputs)
        return read_record(
            pack_record(
                inputs,
                request=pack_request(asked),
                plan_version=plan.version,
                draws=answer.draws,
                answer=encode_answer(answer.decision),
            )
        )

    return make
