"""Policies that look further back than contact histories have been kept."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.subject import Subject
from nba.decision.artifact import PlanSource
from nba.policies.kind import PolicyKind

_SECONDS_PER_DAY = 86_400

TOO_FAR_BACK = Code(
    "policy.longer_than_history",
    Severity.WARNING,
    "A policy looks further back than the live plan keeps contact histories.",
    "publish it knowing that customers whose history was cut are closed until it is long enough",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find policies whose window is longer than any of the live plan."""
    if subject.before is None:
        return
    kept = _kept_seconds(subject.before)
    for policy in subject.policies:
        if policy.window_seconds > kept:
            found = (
                f"{policy.id} looks back {policy.window_seconds / _SECONDS_PER_DAY:g} days, and "
                f"histories are kept for {kept / _SECONDS_PER_DAY:g}: whoever's was cut is closed "
                "until it is that long"
            )
            yield TOO_FAR_BACK.found(f"policy/{policy.id}/window", found)


def _kept_seconds(source: PlanSource) -> int:
    policies = (policy for policy in source.policies if isinstance(policy, PolicyKind))
    windows = [policy.window_seconds for policy in policies]
    return max([*windows, source.features.contact_seconds], default=0)


CHECK = Check((TOO_FAR_BACK,), find)
