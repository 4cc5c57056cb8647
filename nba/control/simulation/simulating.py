"""Replaying recorded decisions under the live plan and under the one that would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from nba.control.simulation.features import RowMap
from nba.control.simulation.losing import LossTally
from nba.control.simulation.replaying import Replayed, replayed, unspent
from nba.control.simulation.report import Row, SimulationReport
from nba.control.simulation.tally import Tally, side_by_side
from nba.control.simulation.valuing import Rewarded, off_policy
from nba.decision.plan import Plan
from nba.decision.plans import parse_version
from nba.decision.recording import recorded_inputs
from nba.decision.situations import DecisionInputs
from nba.domain.ids import NO_ACTION
from nba.features import FeatureSet
from nba.features.row import SEGMENT_PREFIX
from nba.ledger.records import DecisionRecord

MOVERS = 10
"""How many of the actions that move most are named."""

Rewards = Mapping[tuple[str, int], float]
"""By decision id and choice: its reward less its cost, in currency, where it has resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """What branches of actions are: terms of a dimension, cut to so many levels."""

    dimension: str = "product"
    depth: int = 1


def simulate(
    before: Plan,
    after: Plan,
    records: Iterable[DecisionRecord],
    *,
    rewards: Rewards | None = None,
    recorded_under: Mapping[str, FeatureSet] | None = None,
    branches: Branches | None = None,
    seed: int = 0,
) -> SimulationReport:
    """Say what recorded decisions would have been under both plans; writes nothing.

    Each decision is judged on its own, on what it knew: contacts are those that were really made
    and budgets as full as they were, so that a change whose effects add up over time (a cap that
    leaves room for other messages next week) shows only its first step.

    Parameters
    ----------
    before, after
        The plans to compare; ``before`` is the live one.
    records
        Recorded decisions, of any plan; each is read once.
    rewards
        What resolved choices brought less their cost; without it no value is estimated.
    recorded_under
        By plan digest, the features that records of that plan hold; those of ``before`` otherwise.
    branches
        What is shown as a branch.
    seed
        Draws the resamples behind intervals; choices are drawn with each record's own seed.

    """
    replay = _Simulation(before, after, recorded_under or {}, rewards or {})
    for record in records:
        replay.add(record)
    return replay.report(branches or Branches(), seed)


class _Simulation:
    """Two plans, and what was added up under each."""

    def __init__(
        self,
        before: Plan,
        after: Plan,
        recorded_under: Mapping[str, FeatureSet],
        rewards: Rewards,
    ) -> None:
        self._plans = (before, after)
        self._states = (unspent(before), unspent(after))
        self._recorded_under = recorded_under
        self._rewards = rewards
        self._maps: dict[str, tuple[RowMap, RowMap]] = {}
        self._tallies = (Tally(before), Tally(after))
        self._lost = LossTally(after)
        self._segments = _segment_columns(before, after)
        self._decisions = 0
        self._left_out = 0
        self._customers: set[str] = set()
        self._moments: list[int] = []
        self._lacking: Counter[str] = Counter()
        self._gone: Counter[str] = Counter()
        self._rewarded: list[Rewarded] = []

    def add(self, record: DecisionRecord) -> None:
        """Replay a record under both plans."""
        inputs = recorded_inputs(record)
        maps = self._maps_of(record)
        if not maps[0].fits(inputs.features):
            self._left_out += 1
            return
        known = [replace(inputs, features=to_row(inputs.features)) for to_row in maps]
        before, after = (
            replayed(plan, given, states)
            for plan, given, states in zip(self._plans, known, self._states, strict=True)
        )
        segments = self._in_segments(known)
        for tally, decided in zip(self._tallies, (before, after), strict=True):
            tally.add(decided, segments)
        self._lost.add(before, after, segments)
        self._count(record, maps, after)
        self._reward(record, before, after)

    def _maps_of(self, record: DecisionRecord) -> tuple[RowMap, RowMap]:
        digest = parse_version(record.plan_version).digest
        if digest not in self._maps:
            before, after = self._plans
            recorded = self._recorded_under.get(digest, before.features)
            self._maps[digest] = (
                RowMap(recorded, before.features),
                RowMap(recorded, after.features),
            )
        return self._maps[digest]

    def _in_segments(self, known: Sequence[DecisionInputs]) -> list[str]:
        return [
            name
            for name, (side, column) in self._segments.items()
            if known[side].features[column] == 1.0
        ]

    def _count(self, record: DecisionRecord, maps: tuple[RowMap, RowMap], after: Replayed) -> None:
        self._decisions += 1
        self._customers.add(record.customer_id)
        self._moments = [pick([record.at_ms, *self._moments]) for pick in (min, max)]
        self._lacking.update(maps[1].lacking)
        self._gone.update(after.gone)

    def _reward(self, record: DecisionRecord, before: Replayed, after: Replayed) -> None:
        reward = self._rewards.get((record.decision_id, 0))
        if reward is None:
            return
        choice: Mapping[str, Any] = msgspec.json.decode(record.answer)["choices"][0]
        logged = Rewarded.of(choice["action"], choice["probability"], reward, before, after)
        self._rewarded.append(logged)

    def report(self, branches: Branches, seed: int) -> SimulationReport:
        """Return everything found."""
        one, two = self._tallies
        before, after = self._plans
        channels = {
            str(place.id): place.channel
            for plan in self._plans
            for place in plan.catalog.placements
        }
        by_action = side_by_side(one.by_action(), two.by_action())
        depth, dimension = branches.depth, branches.dimension
        return SimulationReport(
            before=before.version,
            after=after.version,
            decisions=self._decisions,
            customers=len(self._customers),
            since_ms=min(self._moments, default=None),
            until_ms=max(self._moments, default=None),
            left_out=self._left_out,
            lacking=dict(sorted(self._lacking.items())),
            gone=dict(sorted(self._gone.items())),
            total=Row("all", one.total, two.total),
            reach_before=one.reach,
            reach_after=two.reach,
            by_action=by_action,
            by_branch=side_by_side(
                one.by_branch(dimension, depth), two.by_branch(dimension, depth)
            ),
            by_segment=side_by_side(one.by_segment(), two.by_segment()),
            by_channel=side_by_side(one.by_channel(channels), two.by_channel(channels)),
            by_placement=side_by_side(one.by_place(), two.by_place()),
            movers=_movers(by_action),
            losses=self._lost.losses(self._decisions),
            off_policy=off_policy(self._rewarded, seed=seed),
        )


def _segment_columns(before: Plan, after: Plan) -> dict[str, tuple[int, int]]:
    """Return each segment with the plan whose definition it is judged by, and its column there.

    The plan after counts, so that a decision is in the same segments on both sides.
    """
    return {
        name.removeprefix(SEGMENT_PREFIX): (side, column)
        for side, plan in ((0, before), (1, after))
        for column, name in enumerate(plan.features.names)
        if name.startswith(SEGMENT_PREFIX)
    }


def _movers(rows: Sequence[Row]) -> tuple[Row, ...]:
    moving = [row for row in rows if row.name != NO_ACTION and row.before != row.after]
    ranked = sorted(moving, key=lambda row: (-abs(row.moved), row.name))
    return tuple(ranked[:MOVERS])
