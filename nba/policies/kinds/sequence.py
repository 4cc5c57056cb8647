"""``sequence``: one thing only after another.

Moments are kept to the second. Where that leaves open whether enough time has passed, or too much,
it is not yet time, or no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.history import AT_S, WHAT
from nba.domain.policy import Selector
from nba.policies.counting import (
    DECISION,
    LONGEST_WINDOW,
    SHORTEST_WINDOW,
    Counted,
    Selections,
    in_words,
    name_problems,
    places,
    select_entries,
    selects,
    what_code,
    whole_seconds,
)
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, SECOND_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencePolicy(PolicyKind):
    """Keeps what is selected only after something that ``after`` selects.

    That must lie ``at_least`` so long ago, and ``within`` so long. It is a contact of an earlier
    answer, or with ``outcome`` an outcome of that kind (``click``). What the catalog no longer
    knows is never what it waits for. Outcomes are known from when the first policy that looks for
    them is live.
    """

    kind: Literal["sequence"] = "sequence"
    after: Selector
    within: timedelta
    outcome: str = DECISION
    at_least: timedelta = timedelta(0)
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("sequence.not_yet", "what must come before it has not, or not at the right time"),
        Cause("sequence.unknown", "the contact history does not reach back far enough to tell"),
    )

    @property
    def window_seconds(self) -> int:
        """The window in which it looks."""
        return whole_seconds(self.within)

    def selectors(self) -> Mapping[str, Selector]:
        """Return its selectors by field."""
        return {"applies_to": self.applies_to, "after": self.after}

    def noted_outcomes(self) -> Iterable[str]:
        """Return the outcome it waits for."""
        return () if self.outcome == DECISION else (self.outcome,)

    def problems(self) -> Iterator[Problem]:
        """Refuse windows that mean something else, and one that ends before it begins."""
        if not SHORTEST_WINDOW <= self.within <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 30d"
            yield Problem("within", f"within {self.within}", expected)
        if self.at_least < timedelta(0):
            yield Problem("at_least", f"at_least {self.at_least}", "0 or more, such as 2d")
        elif self.at_least + SHORTEST_WINDOW > self.within:
            found = f"at_least {self.at_least} leaves nothing of within {self.within}"
            yield Problem("at_least", found, "shorten it by a minute or more, or widen within")
        yield from name_problems("outcome", [self.outcome])

    def sentence(self, cause: int) -> str:
        """Say what it waits for."""
        what = "a contact" if self.outcome == DECISION else self.outcome
        delay = f" at least {in_words(self.at_least)} ago" if self.at_least else ""
        rule = f"needs {what}{delay} within {in_words(self.within)}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"


def compile_sequences(
    selected: Sequence[Selected[SequencePolicy]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy, all found by one kernel."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    if not gates:
        return Stage(())
    policies = [item.policy for item in selected]
    selections = select_entries(
        [Counted(policy.after, unknown=False) for policy in policies], surroundings.catalog
    )
    rules = np.array([_rule(policy) for policy in policies], dtype=np.int64)
    first = surroundings.first_gate

    return Stage(gates, partial(_close, selections, rules, first))


def _close(
    selections: Selections,
    rules: NDArray[np.int64],
    first: int,
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    history = situation.history
    # The answer's own contacts come with what is decided, not before it.
    _close_waiting(
        history.table[: situation.answer_from],
        history.complete_since_s,
        situation.at_ms // MILLISECONDS_PER_SECOND,
        *selections,
        rules,
        closed,
        first,
    )


def _rule(policy: SequencePolicy) -> tuple[int, int, int]:
    """Return what it waits for, and the seconds between which it must lie, both included."""
    delay_s = whole_seconds(policy.at_least)
    return what_code(policy.outcome), delay_s + (delay_s > 0), policy.window_seconds - 1


@numba.njit(cache=True)
def _close_waiting(
    table: Any,
    complete_since_s: int,
    now_s: int,
    known: Any,
    known_starts: Any,
    masks: Any,
    rules: Any,
    closed: Any,
    first: int,
) -> None:
    n_policies = rules.shape[0]
    came = np.zeros(n_policies, dtype=np.bool_)
    place = places(table, known, known_starts)
    for entry in range(table.shape[0]):
        ago_s = now_s - np.int64(table[entry, AT_S])
        for policy in range(n_policies):
            if (
                not came[policy]
                and table[entry, WHAT] == rules[policy, 0]
                and rules[policy, 1] <= ago_s <= rules[policy, 2]
                and selects(masks, policy, place[entry])
            ):
                came[policy] = True
    for policy in range(n_policies):
        if came[policy]:
            continue
        is_known = complete_since_s <= now_s - rules[policy, 2]
        closed[first + policy] = FIRST_CAUSE if is_known else SECOND_CAUSE
