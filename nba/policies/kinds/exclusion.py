"""``exclusion``: of several actions only one, in an answer or in a window.

Contacts are kept to the second; the window counts one second more rather than one contact too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.history import ACTION, AT_S, CONTACT, CONTENT, WHAT
from nba.domain.ids import hash32
from nba.policies.counting import (
    LONGEST_WINDOW,
    SHORTEST_WINDOW,
    Counted,
    Selections,
    flat,
    in_words,
    places,
    select_entries,
    selects,
    whole_seconds,
)
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion(PolicyKind):
    """Drops everything selected but the one that was said already.

    At most one of the actions selected is said in an answer and, with ``window``, within it; that
    one may be said again. Where the selector names contents it is one of them. What the catalog no
    longer knows was another, and where the history does not reach back as far as the window,
    nothing selected is said.
    """

    kind: Literal["exclusion"] = "exclusion"
    window: timedelta | None = None
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("exclusion.other_said", "another of those it is never said with was said"),
        Cause("exclusion.unknown", "the contact history does not reach back far enough to tell"),
    )

    @property
    def window_seconds(self) -> int:
        """The window, to the second above; 0 where only the answer counts."""
        return whole_seconds(self.window or timedelta(0))

    def problems(self) -> Iterator[Problem]:
        """Refuse windows that mean something else."""
        if self.window is not None and not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 7d, or none for the answer alone"
            yield Problem("window", f"window {self.window}", expected)

    def sentence(self, cause: int) -> str:
        """Say where."""
        where = "an answer" if self.window is None else in_words(self.window)
        return f"{self.description} (only one in {where}; {self.causes[cause].meaning})"


def compile_exclusions(
    selected: Sequence[Selected[Exclusion]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy, which closes row by row."""
    gates = tuple(Gate(item.index, item.rows, by_row=True) for item in selected)
    if not gates:
        return Stage(())
    policies = [item.policy for item in selected]
    candidates = surroundings.candidates
    selections = select_entries(
        [Counted(policy.applies_to, unknown=True) for policy in policies], surroundings.catalog
    )
    windows_s = np.array([policy.window_seconds for policy in policies], dtype=np.int64)
    rows, starts = flat([item.rows.tolist() for item in selected])
    column = ACTION if candidates.contents is None else CONTENT
    codes = np.array(
        [hash32(item.id) for item in candidates.contents or candidates.actions], dtype=np.uint32
    )
    first = surroundings.first_shut

    return Stage(gates, partial(_close, selections, windows_s, column, codes, rows, starts, first))


def _close(
    selections: Selections,
    windows_s: NDArray[np.int64],
    column: int,
    codes: NDArray[np.uint32],
    rows: NDArray[np.uint32],
    starts: NDArray[np.int64],
    first: int,
    situation: Situation,
    _: NDArray[np.uint8],
    shut: NDArray[np.uint8],
) -> None:
    history = situation.history
    _shut_others(
        history.table,
        history.complete_since_s,
        situation.at_ms // MILLISECONDS_PER_SECOND,
        situation.answer_from,
        *selections,
        windows_s,
        column,
        codes,
        rows,
        starts,
        shut,
        first,
    )


@numba.njit(cache=True)
def _shut_others(
    table: Any,
    complete_since_s: int,
    now_s: int,
    answer_from: int,
    known: Any,
    known_starts: Any,
    masks: Any,
    windows_s: Any,
    column: int,
    codes: Any,
    rows: Any,
    starts: Any,
    shut: Any,
    first: int,
) -> None:
    n_policies = windows_s.shape[0]
    n_said = np.zeros(n_policies, dtype=np.int64)
    said = np.zeros(n_policies, dtype=np.uint32)
    place = places(table, known, known_starts)
    for entry in range(table.shape[0]):
        if table[entry, WHAT] != CONTACT:
            continue
        code = table[entry, column]
        at_s = np.int64(table[entry, AT_S])
        for policy in range(n_policies):
            in_window = windows_s[policy] > 0 and at_s >= now_s - windows_s[policy]
            if not (entry >= answer_from or in_window):
                continue
            if (n_said[policy] == 0 or said[policy] != code) and selects(
                masks, policy, place[entry]
            ):
                said[policy] = code
                n_said[policy] += 1
    for policy in range(n_policies):
        is_unknown = windows_s[policy] > 0 and complete_since_s > now_s - windows_s[policy]
        otherwise = SECOND_CAUSE if is_unknown else OPEN
        for index in range(starts[policy], starts[policy + 1]):
            row = rows[index]
            is_other = n_said[policy] > 1 or (n_said[policy] == 1 and codes[row] != said[policy])
            shut[first + policy, row] = FIRST_CAUSE if is_other else otherwise
