"""Looking a change over before it is live: what can surprise, and what to do about it.

Definitions that cannot be right at all are faults and are refused elsewhere; a finding is about
definitions that hold together and still may not do what was meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from nba.control.lint.checks import CHECKS
from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.subject import Subject
from nba.decision.artifact import PlanSource

__all__ = ["CHECKS", "Check", "Code", "Finding", "Severity", "lint"]


def lint(
    before: PlanSource | None,
    after: PlanSource,
    *,
    at_ms: int,
    locales: Sequence[str] = (),
) -> list[Finding]:
    """Return what all checks find in the definitions that would be live.

    Parameters
    ----------
    before
        Definitions that are live, if any are.
    after
        Definitions that would be, already checked for faults.
    at_ms
        The moment from which on they are judged, ms since the epoch.
    locales
        The project's locales; those that contents are written in where none are given.

    Returns
    -------
    Errors first, then in the order of :data:`CHECKS`, and within a check in that of the
    definitions: the same definitions give the same list.

    """
    subject = Subject(before, after, at_ms=at_ms, locales=locales)
    found = [finding for check in CHECKS for finding in check.find(subject)]
    return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)
