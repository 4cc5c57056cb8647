"""All checks, in the order in which they are made; a new one is added here and is then tested."""

from nba.control.lint.checks import (
    caps,
    consent,
    contradictory,
    dates,
    history,
    locales,
    monopoly,
    overlap,
    positions,
    quiet_hours,
    sequences,
    stale,
    uncovered,
    undeclared,
    unreachable,
)
from nba.control.lint.finding import Check

CHECKS: tuple[Check, ...] = (
    unreachable.CHECK,
    contradictory.CHECK,
    uncovered.CHECK,
    locales.CHECK,
    stale.CHECK,
    dates.CHECK,
    overlap.CHECK,
    caps.CHECK,
    history.CHECK,
    sequences.CHECK,
    monopoly.CHECK,
    consent.CHECK,
    quiet_hours.CHECK,
    undeclared.CHECK,
    positions.CHECK,
)

__all__ = ["CHECKS"]
