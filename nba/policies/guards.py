"""All policies of a placement compiled into one stack, evaluated on arrays.

Stages close gates (:mod:`nba.policies.stage`), the conditions run as one program, and one kernel
walks the gates in the order of :mod:`nba.policies.order`, so that the first policy to drop a
candidate is the one named. Policies about contents make a stack of their own, whose candidates are
the contents of the placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Catalog
from nba.domain.policy import Policy
from nba.expressions import Schema
from nba.policies.apply import Closed, Walk
from nba.policies.eras import Era, Eras
from nba.policies.kind import PolicyKind, Reason
from nba.policies.kinds import (
    COMPILERS,
    VALIDITY,
    Exploration,
    Holdout,
    Lever,
    QuietHours,
    Validity,
)
from nba.policies.kinds.quiet_hours import not_before
from nba.policies.kinds.validity import is_dated
from nba.policies.order import ORDER, SHAPERS
from nba.policies.selection import (
    concerned,
    select_actions,
    select_contents,
    select_placements,
)
from nba.policies.situation import Candidates, Situation
from nba.policies.stage import (
    FIRST_CAUSE,
    OPEN,
    Close,
    Gate,
    Narrow,
    Selected,
    Surroundings,
    Weigh,
)

P = TypeVar("P", bound=PolicyKind)

_RANKS = {kind: rank for rank, kind in enumerate((*ORDER, *SHAPERS))}


class Drop(NamedTuple):
    """A policy that drops a candidate: its index in the stack, and the index of its cause."""

    policy: int
    cause: int = 0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the guardrails leave of the candidates.

    ``dropped_by`` is ``(n_candidates,) int16``: -1 is kept, else the index of the first policy, in
    the stated order, that drops the candidate; ``causes`` is ``(n_candidates,) int8``, the cause
    within that policy. ``holdout`` says whether the customer is held out from any candidate here.
    """

    dropped_by: NDArray[np.int16]
    causes: NDArray[np.int8]
    holdout: bool


class GuardStack:
    """Compiled guardrails of one placement; see :func:`compile_guards`.

    ``policies`` are all policies in the order of evaluation. ``max_window_seconds`` is how far back
    any policy looks, in any placement.
    """

    def __init__(self, policies: Sequence[PolicyKind], surroundings: Surroundings) -> None:
        candidates = surroundings.candidates
        self.policies: tuple[PolicyKind, ...] = tuple(policies)
        self.max_window_seconds = max((policy.window_seconds for policy in policies), default=0)
        self._n_candidates = len(candidates.actions)
        selected = list(_select(self.policies, candidates))
        compiled = _compile_stages(selected, surroundings)
        self._gates, self._closers, self._weighers, self._narrowers = compiled
        self._n_shut = sum(gate.by_row for gate in self._gates)
        self._eras = Eras(
            self.policies,
            self._gates,
            _of(selected, Lever),
            _of(selected, Exploration),
            n_candidates=self._n_candidates,
        )
        # The last is for -1, which is what keeps a candidate.
        self._is_quiet = np.array([isinstance(p, QuietHours) for p in policies] + [False])
        self._quiet_gates: list[list[int]] = [[] for _ in range(self._n_candidates)]
        for number, gate in enumerate(self._gates):
            if self._is_quiet[gate.policy]:
                for row in gate.rows.tolist():
                    self._quiet_gates[row].append(number)
        holdouts = {item.index for item in selected if isinstance(item.policy, Holdout)}
        self._walk = Walk(self._gates, holdouts, candidates.columns)

    @property
    def closes(self) -> bool:
        """Whether anything here can drop a candidate."""
        return bool(self._gates or self._narrowers)

    def era(self, at_ms: int) -> Era:
        """Return what holds at a moment."""
        return self._eras.at(at_ms)

    def weights(self, situation: Situation) -> NDArray[np.float64]:
        """Return the weight on the expected value of every candidate, ``(n_candidates,)``."""
        levers = self._eras.at(situation.at_ms).levers
        if not self._weighers:
            return levers
        weights = levers.copy()
        for weigh in self._weighers:
            weigh(situation, weights)
        return weights

    def evaluate(self, situation: Situation) -> Verdicts:
        """Say which candidates are dropped, and by what."""
        closed = self._close(situation)
        dropped_by, causes, holdout = self._walk.first_drops(situation.symbols, closed)
        for narrow in self._narrowers:
            narrow(situation, dropped_by)
        return Verdicts(dropped_by, causes, holdout)

    def explain(self, situation: Situation) -> list[list[Drop]]:
        """Return, for every candidate, everything that drops it, in the stated order."""
        causes = self._walk.every_cause(situation.symbols, self._close(situation))
        drops: list[list[Drop]] = [[] for _ in range(self._n_candidates)]
        for number, row in np.argwhere(causes != OPEN).tolist():
            cause = int(causes[number, row]) - FIRST_CAUSE
            drops[row].append(Drop(self._gates[number].policy, cause))
        left = np.array([-1 if not found else found[0].policy for found in drops], dtype=np.int16)
        for narrow in self._narrowers:
            narrow(situation, left)
        for row in np.flatnonzero(left >= 0).tolist():
            drops[row] = drops[row] or [Drop(int(left[row]))]
        return drops

    def not_before(
        self, verdicts: Verdicts, situation: Situation, among: NDArray[np.bool_]
    ) -> int | None:
        """Return when the first of what only quiet hours hold back may be said, in ms.

        ``among`` says which candidates count, ``(n_candidates,)``. ``None`` where quiet hours hold
        none of them back, or nobody can tell until when.
        """
        rows = np.flatnonzero(self._is_quiet[verdicts.dropped_by] & among).tolist()
        if rows and verdicts.holdout:
            drops = self.explain(situation)
            rows = [row for row in rows if all(self._is_quiet[drop.policy] for drop in drops[row])]
        active = self._eras.at(situation.at_ms).active
        concerned = {
            tuple(self._gates[gate].policy for gate in self._quiet_gates[row] if active[gate])
            for row in rows
        }
        quiet = [[self.policies[index] for index in indices] for indices in concerned]
        return not_before(
            [[policy for policy in each if isinstance(policy, QuietHours)] for each in quiet],
            situation,
        )

    def reason(self, dropped: int | Drop) -> Reason:
        """Return why a policy drops a candidate: for its index alone, its first cause."""
        drop = dropped if isinstance(dropped, Drop) else Drop(dropped)
        return self.policies[drop.policy].reason(drop.cause)

    def _close(self, situation: Situation) -> Closed:
        closed = Closed(
            active=self._eras.at(situation.at_ms).active,
            whole=np.zeros(len(self._gates), dtype=np.uint8),
            by_row=np.zeros((self._n_shut, self._n_candidates), dtype=np.uint8),
        )
        for close in self._closers:
            close(situation, closed.whole, closed.by_row)
        return closed


def compile_guards(
    policies: Sequence[Policy], candidates: Candidates, schema: Schema, *, catalog: Catalog
) -> GuardStack:
    """Compile policies for the candidates of a placement, or for its contents.

    Parameters
    ----------
    policies
        Policies of any kind, in any order; those that select nothing here cost nothing here.
    candidates
        Actions, of which row 0 must be ``no_action``; or contents.
    schema
        Symbols of the situation row and of ``candidates.columns``.
    catalog
        The whole catalog: contact caps count contacts in every placement.

    Raises
    ------
    ExpressionError
        A condition does not fit the schema.
    ValueError
        Row 0 is not ``no_action``.
    """
    if candidates.contents is None and not (
        candidates.actions and candidates.actions[0].is_no_action
    ):
        raise ValueError(f"row 0 of placement {candidates.placement.id} must be no_action")
    known = [policy for policy in policies if isinstance(policy, PolicyKind)]
    if len(known) != len(policies):
        raise TypeError("a policy is of no known kind")
    if is_dated(candidates):
        known = [VALIDITY, *known]
    ordered = sorted(known, key=lambda policy: _RANKS[policy.kind])
    return GuardStack(ordered, Surroundings(candidates, catalog, schema, 0, 0))


def _select(
    policies: Sequence[PolicyKind], candidates: Candidates
) -> Iterable[Selected[PolicyKind]]:
    contents = candidates.contents
    for index, policy in enumerate(policies):
        is_here = policy.is_about_contents == (contents is not None)
        selector = policy.applies_to
        if not (is_here or isinstance(policy, Validity)):
            continue
        if not select_placements(selector, [candidates.placement])[0]:
            continue
        mask = select_actions(selector, candidates.actions)
        if contents is not None:
            mask &= select_contents(selector, contents)
        mask &= concerned(policy.kind, selector, candidates.actions)
        rows = np.flatnonzero(mask).astype(np.int32)
        if len(rows):
            yield Selected(index, policy, rows)


def _of(selected: Sequence[Selected[PolicyKind]], kind: type[P]) -> list[Selected[P]]:
    return [
        Selected(item.index, item.policy, item.rows)
        for item in selected
        if isinstance(item.policy, kind)
    ]


def _compile_stages(
    selected: Sequence[Selected[PolicyKind]], surroundings: Surroundings
) -> tuple[tuple[Gate, ...], tuple[Close, ...], tuple[Weigh, ...], tuple[Narrow, ...]]:
    gates: list[Gate] = []
    closers: list[Close] = []
    weighers: list[Weigh] = []
    narrowers: list[Narrow] = []
    for kind in ORDER:
        chosen = [item for item in selected if item.policy.kind == kind]
        place = replace(
            surroundings,
            first_gate=len(gates),
            first_shut=sum(gate.by_row for gate in gates),
        )
        if kind not in COMPILERS:
            continue
        stage = COMPILERS[kind](chosen, place)
        gates.extend(stage.gates)
        if stage.gates and stage.close is not None:
            closers.append(stage.close)
        if stage.weigh is not None:
            weighers.append(stage.weigh)
        if stage.narrow is not None:
            narrowers.append(stage.narrow)
    return tuple(gates), tuple(closers), tuple(weighers), tuple(narrowers)
