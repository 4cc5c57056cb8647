"""Joining outcomes to their decision: what they resolve, if anything.

A choice resolves by the first desired or negative outcome that happened before its horizon, or at
its horizon. What arrives after that and still counts is a correction beside the resolution.
Intermediate outcomes (an impression, a click on the way) resolve nothing.

Where an action has goals, what comes early says little about what comes late, and a choice resolves
once. So it waits until nothing more can come, at most until its horizon, and then resolves by
everything that was reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nba.domain.catalog import Action
from nba.domain.outcome import ResolutionKind
from nba.ledger.records import OutcomeEntry, ResolutionEntry


def counting(
    action: Action, outcomes: Iterable[OutcomeEntry], *, horizon_ms: int
) -> list[OutcomeEntry]:
    """Return the outcomes of one choice that count for it, in the order in which they happened.

    ``horizon_ms`` is when the choice's waiting ends; an outcome that happened later is recorded
    but does not count, however early it arrives.
    """
    found = [o for o in outcomes if o.at_ms <= horizon_ms and o.kind in action.outcomes]
    return sorted(found, key=lambda o: (o.at_ms, o.received_at_ms, o.outcome_id))


def resolution_by(
    action: Action, counted: Sequence[OutcomeEntry], *, horizon_ms: int, waited: bool
) -> ResolutionEntry | None:
    """Return how a choice resolves by what counts for it, or ``None`` while it waits.

    ``counted`` is as :func:`counting` returns it and not empty; where the action has goals it is
    all that is known. ``waited`` says whether the waiting is over.
    """
    at_ms = counted[-1].at_ms
    if not action.goals:
        counted = counted[:1]
        at_ms = counted[0].at_ms
    kinds = {outcome.kind for outcome in counted}
    if not kinds >= {action.desired_outcome, *action.goals} and action.goals:
        if not waited:
            return None
        at_ms = horizon_ms
    desired = [outcome for outcome in counted if outcome.kind == action.desired_outcome]
    amounts = [_amount(action, outcome) for outcome in desired]
    met = tuple(kind for kind in action.goals if kind in kinds)
    first, *further = [outcome.outcome_id for outcome in desired or counted[:1]]
    return ResolutionEntry(
        counted[0].decision_id,
        counted[0].choice,
        action.id,
        ResolutionKind.REWARDED,
        1.0 if desired else 0.0,
        sum(amounts, 0.0) + sum(action.goals[kind].value for kind in met),
        at_ms,
        first,
        met,
        sum(amounts) if any(outcome.value is not None for outcome in desired) else None,
        tuple(further),
        tuple(kind for kind in action.goals if kind not in kinds),
    )


def correction_by(
    action: Action, outcome: OutcomeEntry, existing: ResolutionEntry
) -> ResolutionEntry | None:
    """Return what an outcome that counts adds to a resolution, or ``None`` where nothing.

    A desired outcome that is not in it adds its reward, and its label stands from then on. So does
    a goal that was not met before, without a label of its own: the ledger writes each goal once.
    """
    desired = outcome.kind == action.desired_outcome
    met: tuple[str, ...] = ()
    amount = None
    if desired and outcome.outcome_id not in {existing.outcome_id, *existing.further}:
        reward, amount = _amount(action, outcome), outcome.value
    elif outcome.kind in action.goals and outcome.kind not in existing.goals:
        reward, met = action.goals[outcome.kind].value, (outcome.kind,)
    else:
        return None
    return ResolutionEntry(
        outcome.decision_id,
        outcome.choice,
        action.id,
        ResolutionKind.CORRECTION,
        1.0 if desired else 0.0,
        reward,
        outcome.at_ms,
        outcome.outcome_id,
        met,
        amount,
    )


def _amount(action: Action, outcome: OutcomeEntry) -> float:
    """Return what a desired outcome brought, as reported or else as declared."""
    return action.value if outcome.value is None else outcome.value


def expiry_of(action: Action, decision_id: str, choice: int, *, horizon_ms: int) -> ResolutionEntry:
    """Return the resolution of a choice whose horizon passed: the action's declared default."""
    return ResolutionEntry(
        decision_id,
        choice,
        action.id,
        ResolutionKind.EXPIRED,
        0.0,
        action.reward_at_horizon,
        horizon_ms,
        None,
        missed=tuple(action.goals),
    )


def censored(decision_id: str, choice: int, *, at_ms: int) -> ResolutionEntry:
    """Return the resolution of a choice whose record is gone: it teaches nobody anything."""
    return ResolutionEntry(decision_id, choice, "", ResolutionKind.CENSORED, 0.0, 0.0, at_ms, None)
