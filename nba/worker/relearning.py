"""Learning again: the whole state from the log, or some actions from nothing.

Both save a snapshot, which the worker finds and goes on from, whether it runs or starts later; what
the ledger holds beyond it is learned then, as after any restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nba.bandits import CorrectionFitter
from nba.catalog.store import ControlStore
from nba.decision.learned import LearnedStates, Origin, SnapshotWriter, forests_key
from nba.decision.plan import Plan
from nba.domain.catalog import Action
from nba.domain.clock import Clock
from nba.errors import Fault, InputError, NotFoundError
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import position_at, writer_of
from nba.worker.learning import PlanLearner
from nba.worker.lessons import Lessons
from nba.worker.pointing import state_key
from nba.worker.records import UNREADABLE, Records, leave_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Relearned:
    """A snapshot that was saved; ``actions`` are those that it concerns."""

    snapshot: int
    updates: int
    actions: tuple[str, ...]


async def rebuild(
    control: ControlStore,
    log: DecisionLog,
    plan: Plan,
    *,
    records: Records | None,
    partitions: int,
    clock: Clock,
    fitter: CorrectionFitter | None,
) -> Relearned:
    """Teach a fresh bandit everything there is that the live models were not trained on.

    It begins where the state that is kept began, and reaches that state to the byte if the plan is
    the one it was learned under and nobody was erased since. Without ``records`` of the ledger it
    learns what is in the log.
    """
    key = state_key(plan.source)
    origin = _origin(control, key, plan)
    lessons = Lessons(plan)
    if records is None:
        until = {
            partition: position_at(log.position(LogTable.RESOLUTIONS, writer_of(partition)))
            for partition in range(partitions)
        }
        gathered = await lessons.all(log, None, origin=origin, until=until, most=None)
    else:
        gathered = await lessons.all(log, records, origin=origin, most=None)
    learner = PlanLearner(plan, fitter=fitter, origin=gathered.origin)
    await asyncio.to_thread(learner.study, gathered.lessons)
    learner.start_new()
    positions = {str(partition): position for partition, position in gathered.until.items()}
    number = _writer(control, key, clock).save(key, learner.learned, positions)
    return Relearned(snapshot=number, updates=learner.state.updates, actions=learner.state.actions)


def _origin(control: ControlStore, key: str, plan: Plan) -> Origin | None:
    kept = control.latest_snapshot(key)
    if kept is None:
        return None
    try:
        return LearnedStates(control).open(kept, plan.source.bandit)[0].origin
    except UNREADABLE as error:
        leave_out(f"snapshot {kept.sequence}", error)
        return None


def reset(
    control: ControlStore,
    plan: Plan,
    *,
    actions: tuple[str, ...] = (),
    terms: tuple[str, ...] = (),
    warm: bool = True,
    clock: Clock,
) -> Relearned:
    """Forget what was learned of some actions, their contents, goals and amounts.

    They are named, or found by their terms. With ``warm`` they start again where their kin have got
    to, else at what the models say and what is declared.

    Raises :class:`NotFoundError` where nothing was learned yet, and :class:`InputError` where
    nothing of that name is in the plan.
    """
    chosen = _chosen(plan, actions, terms)
    key = state_key(plan.source)
    kept = control.latest_snapshot(key)
    if kept is None:
        raise NotFoundError("nothing has been learned under the live models yet")
    learned, forests = LearnedStates(control).open(kept, plan.source.bandit)
    state = learned.actions
    writer = _writer(control, key, clock)
    writer.continue_from(kept, learned, forests)
    ids = tuple(action.id for action in chosen)
    state.reset(ids)
    if warm:
        known = set(state.actions) - set(ids)
        state.restart({action.id: plan.kinship.of(action, known) for action in chosen})
    learned.contents.forget(c.id for c in plan.catalog.contents if c.action in ids)
    plan.beside(learned).forget(chosen, warm=warm)
    number = writer.save(key, learned, kept.positions)
    return Relearned(snapshot=number, updates=state.updates, actions=ids)


def _writer(control: ControlStore, key: str, clock: Clock) -> SnapshotWriter:
    """Return a writer whose snapshots come after those of a key that are there."""
    writer = SnapshotWriter(control, clock)
    for kept in (control.latest_snapshot(key), control.latest_snapshot(forests_key(key))):
        if kept is not None:
            writer.pass_by(kept)
    return writer


def _chosen(plan: Plan, actions: tuple[str, ...], terms: tuple[str, ...]) -> list[Action]:
    known = plan.catalog.actions
    present = plan.catalog.taxonomy.present(terms)
    chosen = [a for a in known if a.id in actions or any(a.has_term(term) for term in present)]
    unknown = [name for name in actions if name not in {action.id for action in known}]
    faults = [
        Fault("/action", f"there is no action {name!r}", "one of the live plan's")
        for name in unknown
    ]
    if not chosen and not faults:
        faults.append(Fault("/term", "no action carries such a term", "name an action or a term"))
    if faults:
        raise InputError(faults)
    return chosen
