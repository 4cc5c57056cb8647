"""Joining an outcome to its decision: what it resolves, if anything.

A choice resolves by the first desired or negative outcome that happened before its horizon, or at
its horizon. What arrives after that and still counts is a correction beside the resolution.
Intermediate outcomes (an impression, a click on the way) resolve nothing.
"""

from __future__ import annotations

from nba.domain.catalog import Action
from nba.domain.outcome import ResolutionKind
from nba.ledger.records import OutcomeEntry, ResolutionEntry


def resolution_by(
    action: Action, outcome: OutcomeEntry, *, horizon_ms: int
) -> ResolutionEntry | None:
    """Return how an outcome resolves its choice, or ``None`` where it does not.

    ``horizon_ms`` is when the choice's waiting ends; an outcome that happened later is recorded
    but does not count for it, however early it arrives.
    """
    desired = outcome.kind == action.desired_outcome
    if outcome.at_ms > horizon_ms or not (desired or outcome.kind in action.negative_outcomes):
        return None
    reward = 0.0
    if desired:
        reward = action.value if outcome.value is None else outcome.value
    return ResolutionEntry(
        outcome.decision_id,
        outcome.choice,
        action.id,
        ResolutionKind.REWARDED,
        1.0 if desired else 0.0,
        reward,
        outcome.at_ms,
        outcome.outcome_id,
    )


def correction_by(resolution: ResolutionEntry, existing: ResolutionEntry) -> ResolutionEntry | None:
    """Return what a further resolution adds to the one there is, or ``None`` where nothing.

    Only a desired outcome adds: its label stands from then on, its reward is added.
    """
    if resolution.outcome_id == existing.outcome_id or resolution.label <= 0.0:
        return None
    return ResolutionEntry(
        resolution.decision_id,
        resolution.choice,
        resolution.action,
        ResolutionKind.CORRECTION,
        resolution.label,
        resolution.reward,
        resolution.at_ms,
        resolution.outcome_id,
    )


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
    )


def censored(decision_id: str, choice: int, *, at_ms: int) -> ResolutionEntry:
    """Return the resolution of a choice whose record is gone: it teaches nobody anything."""
    return ResolutionEntry(decision_id, choice, "", ResolutionKind.CENSORED, 0.0, 0.0, at_ms, None)
