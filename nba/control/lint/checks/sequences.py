"""Sequences that nobody can get through: what must come first never comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nba.control.lint.closed import closures
from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.selecting import Mask
from nba.control.lint.subject import Subject, span_of
from nba.policies.counting import DECISION
from nba.policies.kinds.exclusion import Exclusion
from nba.policies.kinds.sequence import SequencePolicy

CYCLIC = Code(
    "sequence.cyclic",
    Severity.ERROR,
    "What must come first waits in turn for what is to come after it.",
    "break the circle: let one of the actions come without the other",
)
NEVER_COMES = Code(
    "sequence.never_comes",
    Severity.ERROR,
    "What must come first is never said: no placement shows it, or it is always closed.",
    "let it wait for something that is said, or retire the sequence",
)
EXCLUDED = Code(
    "sequence.excluded",
    Severity.ERROR,
    "An exclusion forbids to say one thing within the time in which it must follow the other.",
    "shorten the exclusion's window, lengthen the sequence's, or retire one of them",
)


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A sequence with the pairs that wait, and the pairs they wait for."""

    policy: SequencePolicy
    waiting: Mask
    first: Mask


def find(subject: Subject) -> Iterator[Finding]:
    """Find sequences whose pairs can never be said, then those an exclusion contradicts."""
    sequences = [
        _Sequence(
            policy,
            subject.concerned(policy).pairs & subject.shown,
            subject.words.select(policy.after).pairs,
        )
        for policy in subject.policies
        if isinstance(policy, SequencePolicy)
    ]
    if not sequences:
        return
    could = subject.shown & ~subject.once(closures).pairs
    said = _said(subject, could, sequences)
    for sequence in sequences:
        policy = sequence.policy
        stuck = sequence.waiting & could & ~said
        if not stuck.any() or (sequence.first & said).any():
            continue
        actions = listed([subject.actions[row].id for row in np.flatnonzero(stuck.any(axis=1))])
        place = f"policy/{policy.id}/after"
        found = f"{actions} can never be said under {policy.id}: what must come first"
        if (sequence.first & could).any():
            yield CYCLIC.found(place, f"{found} waits for it in turn")
        else:
            yield NEVER_COMES.found(place, f"{found} is never said")
    for sequence in sequences:
        yield from _excluded(subject, sequence)


def _said(subject: Subject, could: Mask, sequences: Sequence[_Sequence]) -> Mask:
    """Return the pairs that can be said at some time: those that wait for nothing, and so on."""
    lasting = [
        one
        for one in sequences
        if all(
            span_of(one.policy).covers(subject.remaining(subject.actions[row]))
            for row in np.flatnonzero(one.waiting.any(axis=1))
        )
    ]
    said = np.zeros_like(could)
    while True:
        reached = could.copy()
        for one in lasting:
            if not (one.first & said).any():
                reached &= ~one.waiting
        if (reached == said).all():
            return said
        said = reached


def _excluded(subject: Subject, sequence: _Sequence) -> Iterator[Finding]:
    policy = sequence.policy
    first = sequence.first & subject.shown
    if policy.outcome != DECISION or not first.any():
        return
    comes_first = np.flatnonzero(first.any(axis=1))
    apart = sequence.waiting.copy()
    apart[comes_first] = False
    for exclusion in subject.policies:
        if not isinstance(exclusion, Exclusion) or exclusion.window is None:
            continue
        counted = subject.words.select(exclusion.applies_to).pairs
        shut = apart & subject.concerned(exclusion).pairs
        overlapping = span_of(exclusion).overlaps(span_of(policy))
        if overlapping and exclusion.window >= policy.within and not (first & ~counted).any():
            rows = np.flatnonzero(shut.any(axis=1)).tolist()
            if rows:
                actions = listed([subject.actions[row].id for row in rows])
                found = (
                    f"{policy.id} lets {actions} come within {policy.within} of what "
                    f"{exclusion.id} keeps apart from it for {exclusion.window}"
                )
                yield EXCLUDED.found(f"policy/{policy.id}/within", found)


CHECK = Check((CYCLIC, NEVER_COMES, EXCLUDED), find)
