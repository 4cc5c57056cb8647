"""All policy kinds by name; a new one is added here and is then tested by being here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nba.policies.condition import compile_conditions
from nba.policies.kind import PolicyKind
from nba.policies.kinds.applicability import Applicability
from nba.policies.kinds.audience import AudiencePolicy, compile_audience_policies
from nba.policies.kinds.budget import Budget, compile_budgets
from nba.policies.kinds.consent import ConsentPolicy, compile_consents
from nba.policies.kinds.contact_cap import ContactCap, compile_caps
from nba.policies.kinds.diversity import Diversity, compile_diversity
from nba.policies.kinds.eligibility import Eligibility
from nba.policies.kinds.exclusion import Exclusion, compile_exclusions
from nba.policies.kinds.exploration import Exploration
from nba.policies.kinds.fairness import Fairness, compile_fairness
from nba.policies.kinds.holdout import Holdout, compile_holdouts
from nba.policies.kinds.lever import Lever
from nba.policies.kinds.quiet_hours import QuietHours, compile_quiet_hours
from nba.policies.kinds.rotation import Rotation, compile_rotations
from nba.policies.kinds.sequence import SequencePolicy, compile_sequences
from nba.policies.kinds.suitability import Suitability
from nba.policies.kinds.suppression import Suppression, compile_suppressions
from nba.policies.kinds.validity import VALIDITY, Validity, compile_validity
from nba.policies.stage import Stage, Surroundings

KINDS: Mapping[str, type[PolicyKind]] = {
    "consent": ConsentPolicy,
    "audience": AudiencePolicy,
    "eligibility": Eligibility,
    "applicability": Applicability,
    "suitability": Suitability,
    "suppression": Suppression,
    "sequence": SequencePolicy,
    "exclusion": Exclusion,
    "contact_cap": ContactCap,
    "diversity": Diversity,
    "budget": Budget,
    "fairness": Fairness,
    "quiet_hours": QuietHours,
    "holdout": Holdout,
    "rotation": Rotation,
    "lever": Lever,
    "exploration": Exploration,
}
"""The kinds that are written in files."""

COMPILERS: Mapping[str, Callable[[Any, Surroundings], Stage]] = {
    "validity": compile_validity,
    "consent": compile_consents,
    "audience": compile_audience_policies,
    "eligibility": compile_conditions,
    "applicability": compile_conditions,
    "suitability": compile_conditions,
    "suppression": compile_suppressions,
    "sequence": compile_sequences,
    "exclusion": compile_exclusions,
    "contact_cap": compile_caps,
    "diversity": compile_diversity,
    "budget": compile_budgets,
    "fairness": compile_fairness,
    "quiet_hours": compile_quiet_hours,
    "holdout": compile_holdouts,
    "rotation": compile_rotations,
}
"""What compiles each kind that drops candidates."""

__all__ = [
    "COMPILERS",
    "KINDS",
    "VALIDITY",
    "Applicability",
    "AudiencePolicy",
    "Budget",
    "ConsentPolicy",
    "ContactCap",
    "Diversity",
    "Eligibility",
    "Exclusion",
    "Exploration",
    "Fairness",
    "Holdout",
    "Lever",
    "QuietHours",
    "Rotation",
    "SequencePolicy",
    "Suitability",
    "Suppression",
    "Validity",
]
