"""Counting for fairness: how often each group is chosen for, and who gets more than allowed.

A draw counts for a policy if something the policy selects was left after all guardrails, and
counts as often as the chance with which something selected was drawn: that says the same as
counting what was chosen, with less noise. Tallies are kept in tiles, 24 to a window, so that a
window moves on tile by tile. What was drawn in shadow reached nobody and is not counted.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nba.decision.plan import Plan
from nba.decision.recording import is_shadow, recorded_features
from nba.domain.clock import MILLISECONDS_PER_SECOND, Clock
from nba.domain.ids import PlacementId, hash32
from nba.domain.validity import bounds_ms
from nba.ledger.positions import ordinal
from nba.ledger.records import DecisionRecord, OutcomeEntry
from nba.ledger.shared import SharedStore, Tally
from nba.ledger.store import EntryType, LedgerEntry
from nba.policies.kinds.fairness import LONGEST_WINDOW, Fairness, OnBreach, groups_of
from nba.policies.order import concerns
from nba.worker.records import UNREADABLE, Held, Records, leave_out

TILES = 24
"""Parts of a window that leave it one by one."""

_MILLION = 1_000_000
_SEPARATOR = "\x1f"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupRate:
    """How often a group is chosen for; ``above`` and ``below`` say whether it is out of bounds."""

    policy: str
    group: str
    draws: int
    rate: float
    overall: float
    above: bool
    below: bool


class FairnessCounter:
    """Counts decisions of the ledger, each once, and judges what was counted.

    Parameters
    ----------
    store
        Where tallies are kept, and blocked groups are told.
    records
        Says under which plan a decision was made.
    clock
        Says how far back windows reach.

    """

    def __init__(self, store: SharedStore, records: Records, *, clock: Clock) -> None:
        self._store = store
        self._records = records
        self._clock = clock
        self._counted: dict[int, str] | None = None
        self._rows: dict[tuple[str, str, str], frozenset[int]] = {}
        self._alerts: set[tuple[str, str]] = set()

    async def take(
        self, entries: Sequence[LedgerEntry], _: Sequence[OutcomeEntry], held: Held
    ) -> None:
        """Count the decisions among entries, which are in the order of each partition."""
        if self._counted is None:
            self._counted = await self._store.positions()
        by_partition: dict[int, list[LedgerEntry]] = defaultdict(list)
        for entry in entries:
            by_partition[entry.partition].append(entry)
        for partition, found in by_partition.items():
            await self._take(partition, found, held)

    async def _take(self, partition: int, entries: Sequence[LedgerEntry], held: Held) -> None:
        assert self._counted is not None  # noqa: S101  # read before anything is counted
        since = self._counted[partition]
        tallies: dict[str, Tally] = {}
        for entry in entries:
            if entry.type is EntryType.DECISION and ordinal(entry.position) > ordinal(since):
                record = held.get(entry.body.decode())
                if record is None or is_shadow(record):
                    continue
                for name, chance in self._drawn(record):
                    draws, chances = tallies.get(name, (0, 0))
                    tallies[name] = draws + 1, chances + round(chance * _MILLION)
        if not tallies:
            return
        until = entries[-1].position
        if await self._store.count(partition, since, until, tallies):
            self._counted[partition] = until
            return
        self._counted = await self._store.positions()
        if self._counted[partition] != since:  # another worker, or a reply that was lost
            await self._take(partition, entries, held)

    async def judge(self, plan: Plan) -> list[GroupRate]:
        """Compare the groups of a plan's policies, tell replicas whom to block, log what is new."""
        tallies = await self._store.tallies()
        now_s = self._clock() // MILLISECONDS_PER_SECOND
        policies = [policy for policy in plan.source.policies if isinstance(policy, Fairness)]
        rates = [rate for policy in policies for rate in _rates(policy, tallies, now_s)]
        blocked: dict[int, tuple[int, ...]] = {}
        for policy in policies:
            groups = [r.group for r in rates if r.policy == policy.id and r.above]
            blocks = policy.on_breach is OnBreach.BLOCK
            blocked[hash32(policy.id)] = tuple(map(hash32, groups)) if blocks else ()
        if blocked != await self._store.published():
            await self._store.publish(blocked)
        self._tell(rates)
        oldest_s = now_s - round(LONGEST_WINDOW.total_seconds())
        await self._store.drop([name for name in tallies if _parts(name)[2] < oldest_s])
        return rates

    def _tell(self, rates: Iterable[GroupRate]) -> None:
        alerts = {(r.policy, r.group): r for r in rates if r.above or r.below}
        for key in alerts.keys() - self._alerts:
            found = alerts[key]
            _logger.warning(
                "fairness policy %s: group %r is chosen for in %.2f %% of %d draws, all in %.2f %%",
                found.policy,
                found.group,
                100 * found.rate,
                found.draws,
                100 * found.overall,
            )
        for policy, group in self._alerts - alerts.keys():
            _logger.info("fairness policy %s: group %r is within bounds again", policy, group)
        self._alerts = set(alerts)

    def _drawn(self, record: DecisionRecord) -> Iterator[tuple[str, float]]:
        """Iterate over the tallies that a decision adds to, and the chance it adds."""
        try:
            plan = self._records.plan_of(record)
        except UNREADABLE as error:
            leave_out(f"the fairness of decision {record.decision_id}", error)
            return
        for policy in plan.source.policies:
            if not (isinstance(policy, Fairness) and _holds(policy, record.at_ms)):
                continue
            tile_s = _tile_s(policy)
            start_s = record.at_ms // MILLISECONDS_PER_SECOND // tile_s * tile_s
            name = _SEPARATOR.join((policy.id, _group(policy, plan, record), str(start_s)))
            for draw in record.draws:
                selected = self._selected(policy, plan, draw.placement)
                kept = np.frombuffer(draw.kept, dtype="<u2").tolist()
                chances = np.frombuffer(draw.probabilities, dtype="<f4").tolist()
                mine = [c for row, c in zip(kept, chances, strict=True) if row in selected]
                if mine:
                    yield name, min(sum(mine), 1.0)

    def _selected(self, policy: Fairness, plan: Plan, placement: str) -> frozenset[int]:
        """Return the rows of a placement that a policy is about."""
        key = plan.digest, policy.id, placement
        if key not in self._rows:
            slot = plan.placements[PlacementId(placement)]
            selector = policy.applies_to
            self._rows[key] = frozenset(
                row
                for row, action in enumerate(slot.actions)
                if selector.matches(action, slot.placement)
                and concerns(policy.kind, selector, action)
            )
        return self._rows[key]


def _group(policy: Fairness, plan: Plan, record: DecisionRecord) -> str:
    """Return the name of a customer's group; empty where it is not known."""
    symbol = policy.grouping(plan.features.schema())
    value = float(recorded_features(record)[symbol.column])
    groups = groups_of(symbol)
    return groups[int(value)] if 0 <= value < len(groups) else ""


def _rates(policy: Fairness, tallies: dict[str, Tally], now_s: int) -> Iterator[GroupRate]:
    since_s = now_s - round(policy.window.total_seconds()) - _tile_s(policy)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, tally in tallies.items():
        owner, group, start_s = _parts(name)
        if owner == policy.id and start_s > since_s:
            for place, number in enumerate(tally):
                sums[group][place] += number
    draws = sum(found[0] for found in sums.values())
    overall = sum(found[1] for found in sums.values()) / _MILLION / max(draws, 1)
    for group, (count, chances) in sorted(sums.items()):
        if group:
            rate = chances / _MILLION / count
            judged = count >= policy.min_decisions
            above, below = policy.is_above(rate, overall), policy.is_below(rate, overall)
            yield GroupRate(
                policy.id, group, count, rate, overall, judged and above, judged and below
            )


def _parts(name: str) -> tuple[str, str, int]:
    owner, group, start_s = name.rsplit(_SEPARATOR, 2)
    return owner, group, int(start_s)


def _tile_s(policy: Fairness) -> int:
    return -int(-policy.window.total_seconds() // TILES)


def _holds(policy: Fairness, at_ms: int) -> bool:
    starts, ends = bounds_ms(policy.starts, policy.ends)
    return (starts is None or at_ms >= starts) and (ends is None or at_ms < ends)
