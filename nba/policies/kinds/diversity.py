"""``diversity``: an answer with something of several branches rather than all of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Catalog
from nba.domain.ids import hash32
from nba.policies.counting import Counted, Selections, flat, places, select_entries, selects
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, Gate, Selected, Stage, Surroundings

DEEPEST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity(PolicyKind):
    """Drops what is selected once its branch has ``limit`` choices in the answer.

    A branch is a term of ``dimension`` cut to ``depth`` levels: of ``product`` at depth 1,
    ``credit`` is one and ``fashion`` another. Choices in all placements of the answer count that
    the selector selects. An action in several branches counts in each; one in none is not limited.
    """

    kind: Literal["diversity"] = "diversity"
    dimension: str
    limit: int = 1
    depth: int = 1
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("diversity.branch_full", "the answer has as many of its branch as allowed"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse a limit of nothing, and levels that no term has."""
        if self.limit < 1:
            expected = "at least 1; to say nothing at all, use an eligibility policy"
            yield Problem("limit", f"limit {self.limit}", expected)
        if not 1 <= self.depth <= DEEPEST:
            yield Problem("depth", f"depth {self.depth}", f"1 to {DEEPEST}")

    def sentence(self, cause: int) -> str:
        """Say how many of which dimension."""
        rule = f"at most {self.limit} of a {self.dimension} at depth {self.depth}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"

    def branches_of(self, action: Action) -> frozenset[str]:
        """Return the branches that an action is in."""
        paths = (
            path
            for name, _, path in (term.partition(":") for term in action.terms)
            if name == self.dimension
        )
        return frozenset("/".join(path.split("/")[: self.depth]) for path in paths)


def compile_diversity(selected: Sequence[Selected[Diversity]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy, which closes row by row."""
    gates = tuple(Gate(item.index, item.rows, by_row=True) for item in selected)
    if not gates:
        return Stage(())
    policies = [item.policy for item in selected]
    selections = select_entries(
        [Counted(policy.applies_to, unknown=True) for policy in policies], surroundings.catalog
    )
    branches, branch_starts, numbers = _branches(policies, selections, surroundings.catalog)
    row_branches, row_starts = flat(
        [
            [numbers[place, branch] for branch in sorted(item.policy.branches_of(action))]
            for place, item in enumerate(selected)
            for action in surroundings.candidates.actions
        ]
    )
    limits = np.array([policy.limit for policy in policies], dtype=np.int64)
    rows, starts = flat([item.rows.tolist() for item in selected])
    n_branches = len(numbers)
    first = surroundings.first_shut

    return Stage(
        gates,
        partial(
            _close,
            selections,
            limits,
            branches,
            branch_starts,
            n_branches,
            rows,
            starts,
            row_branches,
            row_starts,
            first,
        ),
    )


def _close(
    selections: Selections,
    limits: NDArray[np.int64],
    branches: NDArray[np.uint32],
    branch_starts: NDArray[np.int64],
    n_branches: int,
    rows: NDArray[np.uint32],
    starts: NDArray[np.int64],
    row_branches: NDArray[np.uint32],
    row_starts: NDArray[np.int64],
    first: int,
    situation: Situation,
    _: NDArray[np.uint8],
    shut: NDArray[np.uint8],
) -> None:
    table = situation.history.table
    if situation.answer_from < len(table):
        _shut_full(
            table[situation.answer_from :],
            *selections,
            limits,
            branches,
            branch_starts,
            n_branches,
            rows,
            starts,
            row_branches,
            row_starts,
            shut,
            first,
        )


def _branches(
    policies: Sequence[Diversity], selections: Selections, catalog: Catalog
) -> tuple[NDArray[np.uint32], NDArray[np.int64], dict[tuple[int, str], int]]:
    """Return branches as numbers, listed by policy and place of an action, and the numbers."""
    actions = {hash32(action.id): action for action in catalog.actions}
    numbers: dict[tuple[int, str], int] = {}
    lists: list[list[int]] = []
    for place, policy in enumerate(policies):
        for code in selections.action_codes.tolist():
            found = sorted(policy.branches_of(actions[code])) if code in actions else []
            lists.append([numbers.setdefault((place, name), len(numbers)) for name in found])
    return *flat(lists), numbers


@numba.njit(cache=True)
def _shut_full(
    said: Any,
    known: Any,
    known_starts: Any,
    masks: Any,
    limits: Any,
    branches: Any,
    branch_starts: Any,
    n_branches: int,
    rows: Any,
    starts: Any,
    row_branches: Any,
    row_starts: Any,
    shut: Any,
    first: int,
) -> None:
    n_actions = known_starts[1]
    n_rows = shut.shape[1]
    place = places(said, known, known_starts)
    counts = np.zeros(n_branches, dtype=np.int64)
    for policy in range(limits.shape[0]):
        for entry in range(said.shape[0]):
            action = place[entry, 0]
            if action == n_actions or not selects(masks, policy, place[entry]):
                continue
            at = policy * n_actions + action
            for index in range(branch_starts[at], branch_starts[at + 1]):
                counts[branches[index]] += 1
        for index in range(starts[policy], starts[policy + 1]):
            at = policy * n_rows + rows[index]
            for branch in range(row_starts[at], row_starts[at + 1]):
                if counts[row_branches[branch]] >= limits[policy]:
                    shut[first + policy, rows[index]] = FIRST_CAUSE
