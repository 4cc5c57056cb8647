"""Guardrails: policies, their order, and what they leave of a placement's candidates."""

from nba.policies.artifact import policies_from_builtins, policies_to_builtins
from nba.policies.check import check_policies
from nba.policies.eras import Era
from nba.policies.guards import Drop, GuardStack, Verdicts, compile_guards
from nba.policies.kind import Cause, PolicyKind, Reason
from nba.policies.kinds import KINDS
from nba.policies.loader import LocatedPolicy, PolicySet, load_policies, read_policies
from nba.policies.order import CONCERNS, ORDER, SHAPERS, Concern
from nba.policies.situation import Candidates, Situation

__all__ = [
    "CONCERNS",
    "KINDS",
    "ORDER",
    "SHAPERS",
    "Candidates",
    "Cause",
    "Concern",
    "Drop",
    "Era",
    "GuardStack",
    "LocatedPolicy",
    "PolicyKind",
    "PolicySet",
    "Reason",
    "Situation",
    "Verdicts",
    "check_policies",
    "compile_guards",
    "load_policies",
    "policies_from_builtins",
    "policies_to_builtins",
    "read_policies",
]
