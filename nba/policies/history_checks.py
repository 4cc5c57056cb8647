"""Checks of policies that look back: outcomes and events that come, dimensions that are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nba.domain.catalog import Catalog
from nba.domain.outcome import STANDARD_OUTCOMES
from nba.errors import Fault
from nba.policies.counting import DECISION
from nba.policies.kind import PolicyKind
from nba.policies.kinds import ContactCap, Diversity, SequencePolicy, Suppression
from nba.policies.loader import LocatedPolicy, PolicySet
from nba.policies.suggestions import nearest


def history_faults(located: LocatedPolicy, catalog: Catalog) -> Iterator[Fault]:
    """Yield faults of outcomes that nobody would report, and of dimensions that are not there.

    An outcome is known that has a meaning of its own or that some action desires, regrets or
    prices. What releases a contact or ends a pause may be any word: where it never comes, more is
    held back.
    """
    policy = located.policy
    known = {
        *STANDARD_OUTCOMES,
        *(kind for action in catalog.actions for kind in action.outcomes),
    }
    for field, kinds in _relied_on(policy).items():
        for kind in kinds:
            if kind not in known and kind not in ("", DECISION):
                found = f"{field}: no action has the outcome {kind!r}"
                yield Fault(located.place(field), found, nearest(kind, known))
    if isinstance(policy, Diversity) and policy.dimension not in catalog.taxonomy.dimensions:
        found = f"unknown dimension {policy.dimension!r}"
        expected = nearest(policy.dimension, catalog.taxonomy.dimensions)
        yield Fault(located.place("dimension"), found, expected)


def event_faults(policies: PolicySet, events: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for every event that is not declared: it is ignored wherever it arrives."""
    for located in policies:
        if not isinstance(policy := located.policy, Suppression):
            continue
        for field in ("events", "until_events"):
            for position, name in enumerate(getattr(policy, field)):
                if name not in events:
                    found = f"{field}: undeclared event {name!r}"
                    yield Fault(located.place(field, position), found, nearest(name, events))


def _relied_on(policy: PolicyKind) -> Mapping[str, tuple[str, ...]]:
    """Return by field the outcomes without which a policy does not do what it says."""
    match policy:
        case ContactCap():
            return {"counting": (policy.counting,)}
        case Suppression():
            return {"outcomes": policy.outcomes, "without": (policy.without,)}
        case SequencePolicy():
            return {"outcome": (policy.outcome,)}
        case _:
            return {}
