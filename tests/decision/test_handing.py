"""A plan that was handed over decides as the one it was made from."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from shop import Shop, stump, write_project

from nba.catalog.memory import MemoryControlStore
from nba.decision.handing import read_plan, write_plan
from nba.decision.pipeline import decide
from nba.decision.plan import Plan
from nba.decision.project import load_project
from nba.decision.situations import DecisionInputs
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import CustomerId, new_decision_id
from nba.errors import CorruptRecordError
from nba.worker.publisher import Publisher

ROOT = Path(__file__).resolve().parents[2]
AT_MS = 1_750_000_000_000


def answers(plan: Plan) -> list[object]:
    """Return what a plan decides in each placement, for some customers and seeds."""
    features = plan.features.read(None, at_ms=AT_MS).features.astype(np.float32)
    found: list[object] = []
    for number in range(6):
        for placement in plan.placements:
            inputs = DecisionInputs(
                decision_id=new_decision_id(0, AT_MS, number),
                at_ms=AT_MS + number * 3_600_000,
                seed=number,
                request=DecisionRequest(
                    customer_id=CustomerId(f"c{number}"),
                    placements=(PlacementRequest(id=placement, count=2),),
                ),
                features=features,
                consents={},
                time_zone=None if number % 2 else "Europe/Berlin",
                locale=None,
                history=EMPTY_HISTORY,
            )
            decided = decide(plan, inputs)
            found.append((decided.decision, decided.horizons))
    return found


def handed(plan: Plan) -> Plan:
    """Return a plan as another process reads it."""
    file = io.BytesIO()
    write_plan(plan, file)
    file.seek(0)
    return read_plan(file)


@pytest.fixture(scope="module")
def reference() -> Plan:
    """Compile the reference project: every kind of policy, dates, branches, crosses."""
    publisher = Publisher(MemoryControlStore(), None, alias="live", clock=lambda: AT_MS)
    return publisher.publish(load_project(ROOT), note="", author="test")


def test_the_reference_project_decides_the_same_after_it(reference: Plan) -> None:
    again = handed(reference)
    assert again.version == reference.version
    assert answers(again) == answers(reference)


def test_a_plan_with_models_and_a_learned_state_does_too(tmp_path: Path) -> None:
    shop = Shop(write_project(tmp_path / "shop"))
    plan = shop.promote(stump(-2.0, 0.5))
    again = handed(plan)
    assert again.source.model_versions == plan.source.model_versions
    assert answers(again) == answers(plan)


def test_its_arrays_can_be_written_to_like_those_that_were_compiled(reference: Plan) -> None:
    """Kernels are compiled for arrays that can; for others they would be compiled anew."""
    again = handed(reference)
    for name, slot in reference.placements.items():
        assert again.placements[name].values.flags.writeable is slot.values.flags.writeable


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_plan_of_which_only_a_part_came_is_none(reference: Plan, share: float) -> None:
    file = io.BytesIO()
    write_plan(reference, file)
    packed = file.getvalue()
    with pytest.raises(EOFError, match="bytes came"):
        read_plan(io.BytesIO(packed[: int(len(packed) * share)]))


def test_anything_else_than_a_plan_is_refused() -> None:
    packed = pickle.dumps("no plan", 5)
    counts = [2, 1, len(packed)]
    head = b"".join(count.to_bytes(8, "little") for count in counts)
    with pytest.raises(CorruptRecordError, match="handed over str, expected a plan"):
        read_plan(io.BytesIO(head + packed))
