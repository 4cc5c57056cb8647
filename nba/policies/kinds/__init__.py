"""All policy kinds by name; a new one is added here and is then tested by being here."""

from __future__ import annotations

from collections.abc import Mapping

from nba.policies.kind import PolicyKind
from nba.policies.kinds.applicability import Applicability
from nba.policies.kinds.consent import ConsentPolicy
from nba.policies.kinds.contact_cap import ContactCap
from nba.policies.kinds.eligibility import Eligibility
from nba.policies.kinds.exploration import Exploration
from nba.policies.kinds.holdout import Holdout
from nba.policies.kinds.lever import Lever
from nba.policies.kinds.quiet_hours import QuietHours
from nba.policies.kinds.suitability import Suitability

KINDS: Mapping[str, type[PolicyKind]] = {
    "consent": ConsentPolicy,
    "eligibility": Eligibility,
    "applicability": Applicability,
    "suitability": Suitability,
    "contact_cap": ContactCap,
    "quiet_hours": QuietHours,
    "holdout": Holdout,
    "lever": Lever,
    "exploration": Exploration,
}

__all__ = [
    "KINDS",
    "Applicability",
    "ConsentPolicy",
    "ContactCap",
    "Eligibility",
    "Exploration",
    "Holdout",
    "Lever",
    "QuietHours",
    "Suitability",
]
