"""Recorded decisions to simulate on: a sample from the log, its records from the ledger.

The same decisions are sampled however often it is asked, as long as none are added: those whose
ids have the smallest hashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from nba.catalog.store import ControlStore
from nba.decision.learned import LearnedStates
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, parse_version
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.ids import DecisionId, uniform_hash
from nba.domain.outcome import ResolutionKind
from nba.errors import Fault, InputError, NotFoundError
from nba.features import FeatureSet
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.records import DecisionRecord
from nba.ledger.store import LedgerStore
from nba.worker.pointing import state_key
from nba.worker.records import Records

DEFAULT_SIZE = 10_000
LARGEST_SIZE = 1_000_000

_SALT = "simulation-sample"
_KEY = ("decision_id", "choice")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Decisions to replay, oldest first.

    ``rewards`` holds, by decision id and choice, what resolved choices brought less their cost.
    ``recorded_under`` gives the features of each plan that made any of them. ``available`` counts
    the decisions that could have been sampled, ``lost`` those sampled whose record is held no more.
    """

    records: tuple[DecisionRecord, ...]
    rewards: Mapping[tuple[str, int], float]
    recorded_under: Mapping[str, FeatureSet]
    available: int
    lost: int


async def sample_decisions(
    log: DecisionLog,
    ledger: LedgerStore,
    repository: PlanRepository,
    *,
    source: str,
    size: int = DEFAULT_SIZE,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> Sample:
    """Sample decisions of a log.

    Parameters
    ----------
    log, ledger, repository
        Where decisions, their records, and the plans they were made under are.
    source
        The log's source of decisions that have records: those the service itself made.
    size
        At most so many decisions; of more, those whose ids hash lowest.
    since_ms, until_ms
        Bounds on the time of the decision, the first inclusive; open where not given.

    Raises
    ------
    InputError
        ``size`` is below 1 or above :data:`LARGEST_SIZE`, or the time ends before it begins.

    """
    _check(size, since_ms, until_ms)
    ids = await asyncio.to_thread(_decision_ids, log, source, since_ms, until_ms)
    chosen = sorted(ids, key=lambda name: (uniform_hash(_SALT, name), name))[:size]
    records = await _records(Records(ledger, repository), chosen)
    rewards = await asyncio.to_thread(_rewards, log, [record.decision_id for record in records])
    recorded_under = await asyncio.to_thread(_recorded_under, repository, records)
    readable = [
        record for record in records if parse_version(record.plan_version).digest in recorded_under
    ]
    return Sample(
        records=tuple(sorted(readable, key=lambda record: (record.at_ms, record.decision_id))),
        rewards=rewards,
        recorded_under=recorded_under,
        available=len(ids),
        lost=len(chosen) - len(readable),
    )


def as_learned(control: ControlStore, plan: Plan) -> Plan:
    """Return a plan with the latest the bandit has learned under its models.

    A change that leaves models and bandit alone goes on with what was learned; so what would be is
    to be judged with it, and what is live too.
    """
    kept = control.latest_snapshot(state_key(plan.source))
    if kept is None:
        return plan
    learned, _ = LearnedStates(control).open(kept, plan.source.bandit)
    return plan.with_learner(learned, kept.sequence)


def _check(size: int, since_ms: int | None, until_ms: int | None) -> None:
    faults = []
    if not 1 <= size <= LARGEST_SIZE:
        faults.append(Fault("/size", f"found {size}", f"1 to {LARGEST_SIZE:,} is expected"))
    if since_ms is not None and until_ms is not None and until_ms <= since_ms:
        faults.append(Fault("/until", "it is not after the beginning", "a later time"))
    if faults:
        raise InputError(faults)


def _decision_ids(
    log: DecisionLog, source: str, since_ms: int | None, until_ms: int | None
) -> list[str]:
    rows = log.scan(LogTable.DECISIONS).filter(
        (pl.col("choice") == 0) & (pl.col("source") == source)
    )
    if since_ms is not None:
        rows = rows.filter(pl.col("at") >= _moment(since_ms))
    if until_ms is not None:
        rows = rows.filter(pl.col("at") < _moment(until_ms))
    found: list[str] = rows.select("decision_id").unique().collect()["decision_id"].to_list()
    return found


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / MILLISECONDS_PER_SECOND, UTC)


async def _records(records: Records, chosen: Sequence[str]) -> list[DecisionRecord]:
    found: list[DecisionRecord] = []
    for start in range(0, len(chosen), _AT_ONCE):
        names = [DecisionId(name) for name in chosen[start : start + _AT_ONCE]]
        found.extend((await records.load(names)).values())
    return found


def _rewards(log: DecisionLog, decision_ids: Sequence[str]) -> dict[tuple[str, int], float]:
    """Return rewards less cost; a censored choice has none, even where a correction came later."""
    wanted = pl.col("decision_id").is_in(list(decision_ids))
    resolutions = log.scan(LogTable.RESOLUTIONS).filter(wanted)
    censored = (pl.col("kind") == ResolutionKind.CENSORED.value).any()
    corrected = (pl.col("kind") == ResolutionKind.CORRECTION.value).all()
    earned = (
        resolutions.group_by(_KEY)
        .agg(pl.col("reward").sum(), (censored | corrected).alias("unknown"))
        .filter(~pl.col("unknown"))
    )
    costs = log.scan(LogTable.DECISIONS).filter(wanted).select(*_KEY, "cost").unique(_KEY)
    rows = earned.join(costs, on=_KEY, how="inner").collect()
    keys = zip(rows["decision_id"], rows["choice"], strict=True)
    return dict(zip(keys, (rows["reward"] - rows["cost"]).to_list(), strict=True))


def _recorded_under(
    repository: PlanRepository, records: Sequence[DecisionRecord]
) -> dict[str, FeatureSet]:
    digests = sorted({parse_version(record.plan_version).digest for record in records})
    found: dict[str, FeatureSet] = {}
    for digest in digests:
        try:
            found[digest] = repository.get(PlanPointer(digest)).features
        except NotFoundError:
            continue  # its records cannot be read without it: they count as lost
    return found
