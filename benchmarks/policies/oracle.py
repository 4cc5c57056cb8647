"""Arbitration beside an extract of another product's: its own numbers, through our pipeline.

``nba_pega/arbitration_explain_extract.csv.gz`` holds 100 decisions of Pega Customer Decision Hub
with every candidate's final propensity, value, context weight, lever weight, priority and rank;
there priority is their product. Each decision becomes a catalog and policies of its own:

- the final propensity is the action's base rate, which is what is believed without a model;
- the value is value x context weight, since there every candidate has a context of its own and
  here a context weight belongs to a placement;
- the weight is a lever. Some are below the least a lever may be, 0.1; so all levers are doubled and
  the placement's context weight is a half, which changes no bit of the product.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nba.bandits import BanditSettings
from nba.decision.artifact import PlanSource
from nba.decision.pipeline import decide
from nba.decision.plan import Plan, compile_plan
from nba.decision.situations import DecisionInputs
from nba.domain.catalog import Action, Catalog, Content, Direction, Placement
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import (
    NO_ACTION,
    ActionId,
    ContentId,
    CustomerId,
    PlacementId,
    PolicyId,
    new_decision_id,
)
from nba.domain.policy import Selector
from nba.domain.taxonomy import Taxonomy
from nba.features import FeatureSet
from nba.policies.kinds import Lever

EXTRACT = Path("nba_pega") / "arbitration_explain_extract.csv.gz"
PLACEMENT = PlacementId("mobile")
_SCALE = 2.0
_AT_MS = 1_718_390_500_000

Row = Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """One decision beside the oracle's: its candidates, and how far ours is from it."""

    candidates: int
    priority_error: float
    ranks_agree: int


def read_extract(datasets: Path) -> list[list[Row]]:
    """Return the extract's decisions, each the rows of its candidates by rank."""
    decisions: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(datasets / EXTRACT, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            decisions[row["pxInteractionID"]].append(row)
    return [sorted(rows, key=lambda row: int(row["pxRank"])) for rows in decisions.values()]


def plan_of(rows: Sequence[Row]) -> Plan:
    """Compile a plan whose only placement has the decision's candidates."""
    actions = [Action(id=NO_ACTION, name="Nothing")]
    contents = []
    policies = []
    for row in rows:
        action = ActionId(row["pyName"])
        actions.append(
            Action(
                id=action,
                name=row["pyName"],
                value=float(row["Value"]) * float(row["ContextWeight"]),
                base_rate=float(row["FinalPropensity"]),
            )
        )
        contents.append(
            Content(
                id=ContentId(row["pyName"]),
                action=action,
                group=row["pyName"],
                placements=(PLACEMENT,),
                locale="en",
            )
        )
        policies.append(
            Lever(
                id=PolicyId(row["pyName"]),
                description="The weight it had.",
                applies_to=Selector(actions=(action,)),
                weight=_SCALE * float(row["Weight"]),
            )
        )
    placement = Placement(
        id=PLACEMENT,
        channel="mobile",
        direction=Direction.INBOUND,
        max_count=len(rows),
        context_weight=1.0 / _SCALE,
    )
    catalog = Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy({}),
        actions=tuple(actions),
        contents=tuple(contents),
        placements=(placement,),
    )
    source = PlanSource(
        catalog=catalog,
        features=FeatureSet((), (), catalog=catalog),
        policies=tuple(policies),
        bandit=BanditSettings(explorer="greedy"),
        models=(),
    )
    return compile_plan(source, digest="oracle")


def compare(rows: Sequence[Row]) -> Comparison:
    """Decide with the numbers of an extracted decision, and compare score and rank by candidate."""
    plan = plan_of(rows)
    request = DecisionRequest(
        customer_id=CustomerId(rows[0]["pySubjectID"]),
        placements=(PlacementRequest(id=PLACEMENT, count=len(rows)),),
    )
    inputs = DecisionInputs(
        decision_id=new_decision_id(0, _AT_MS, 1),
        at_ms=_AT_MS,
        seed=1,
        request=request,
        features=plan.features.read(None, at_ms=_AT_MS, context={}).features.astype(np.float32),
        consents={},
        time_zone=None,
        locale=None,
        history=EMPTY_HISTORY,
    )
    choices = decide(plan, inputs).decision.choices
    ours = {choice.action: choice for choice in choices}
    errors = [
        abs(ours[ActionId(row["pyName"])].score / float(row["Priority"]) - 1.0) for row in rows
    ]
    agree = [ours[ActionId(row["pyName"])].rank == int(row["pxRank"]) for row in rows]
    return Comparison(len(rows), max(errors), sum(agree))
