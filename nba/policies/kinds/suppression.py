"""``suppression``: after what happened, a pause.

Moments are kept to the second. Where that leaves open whether something lies within a time, it
does: a pause ends a second late rather than early.
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
from nba.domain.history import AT_S, WHAT, event_code, outcome_code
from nba.domain.policy import Missing, Selector
from nba.policies.counting import (
    DECISION,
    LONGEST_WINDOW,
    SHORTEST_WINDOW,
    Counted,
    Selections,
    flat,
    groups,
    in_words,
    is_among,
    name_problems,
    places,
    select_entries,
    selects,
    what_code,
    whole_seconds,
)
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

_OUTCOMES, _EVENTS, _WITHOUT, _UNTIL_OUTCOMES, _UNTIL_EVENTS, _N_LISTS = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression(PolicyKind):
    """Drops everything selected for as long as ``pause`` after something happened.

    What happened is one of the kinds of outcome in ``outcomes``, of what ``of`` selects
    (``applies_to`` where it is not given), or one of the events named in ``events``. Where
    ``times`` is more than 1, as many must lie ``within`` a time. ``decision`` among the outcomes is
    a contact itself. With ``without``, contacts that have that outcome too do not count:
    ``outcomes: [impression]`` and ``without: click`` counts what was seen and not clicked.

    The pause ends early once one of ``until_outcomes`` or ``until_events`` happens after it began.
    Where only they end it, it lasts 365 days at most. Outcomes and events are known from when the
    first policy that looks for them is live. Where the history does not reach back far enough,
    ``missing`` decides.
    """

    kind: Literal["suppression"] = "suppression"
    outcomes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    of: Selector | None = None
    without: str = ""
    times: int = 1
    within: timedelta | None = None
    pause: timedelta | None = None
    until_outcomes: tuple[str, ...] = ()
    until_events: tuple[str, ...] = ()
    missing: Missing = Missing.CLOSED
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("suppression.active", "what it pauses for happened"),
        Cause("suppression.unknown", "the contact history does not reach back far enough to tell"),
    )

    @property
    def watched(self) -> Selector:
        """Whose outcomes it looks at."""
        return self.applies_to if self.of is None else self.of

    @property
    def within_seconds(self) -> int:
        """In how many seconds all of ``times`` must lie."""
        return whole_seconds(self.within or timedelta(0))

    @property
    def pause_seconds(self) -> int:
        """For how long it pauses at most."""
        return whole_seconds(self.pause or LONGEST_WINDOW)

    @property
    def window_seconds(self) -> int:
        """As long as the pause, and before it as long as what begins it may take."""
        return self.pause_seconds + self.within_seconds

    def selectors(self) -> Mapping[str, Selector]:
        """Return its selectors by field."""
        return {"applies_to": self.applies_to, **({} if self.of is None else {"of": self.of})}

    def noted_outcomes(self) -> Iterable[str]:
        """Return the outcomes that begin or end it."""
        kinds = {*self.outcomes, *self.until_outcomes, self.without}
        return sorted(kinds - {DECISION, ""})

    def noted_events(self) -> Iterable[str]:
        """Return the events that begin or end it."""
        return sorted({*self.events, *self.until_events})

    def problems(self) -> Iterator[Problem]:
        """Refuse pauses that nothing begins or that never end, and times that mean nothing."""
        if not self.outcomes and not self.events:
            yield Problem("outcomes", "neither outcomes nor events", "at least one begins a pause")
        if self.times < 1:
            yield Problem("times", f"times {self.times}", "at least 1")
        if self.times > 1 and self.within is None:
            yield Problem("within", f"times {self.times} and no within", "a duration, such as 30d")
        if self.times == 1 and self.within is not None:
            yield Problem("within", "within, where once is enough", "leave it out, or raise times")
        if self.pause is None and not self.until_outcomes and not self.until_events:
            expected = "a duration, such as 30d, or until_outcomes or until_events"
            yield Problem("pause", "nothing that ends the pause", expected)
        for name, duration in (("within", self.within), ("pause", self.pause)):
            if duration is not None and not SHORTEST_WINDOW <= duration <= LONGEST_WINDOW:
                expected = "between 1 minute and 365 days, such as 30d"
                yield Problem(name, f"{name} {duration}", expected)
        if self.without and not self.outcomes:
            expected = "outcomes, such as impression; events have no outcome of their own"
            yield Problem("without", f"without {self.without!r} and no outcomes", expected)
        for name in ("outcomes", "events", "until_outcomes", "until_events"):
            yield from name_problems(name, getattr(self, name))
        yield from self._contradictions()

    def _contradictions(self) -> Iterator[Problem]:
        for name in ("outcomes", "events"):
            for both in sorted(set(getattr(self, name)) & set(getattr(self, f"until_{name}"))):
                found = f"{both!r} both begins the pause and ends it"
                yield Problem(f"until_{name}", found, "remove it from one of them")
        if self.without and self.without in self.outcomes:
            found = f"{self.without!r} without itself"
            yield Problem("without", found, "another kind of outcome")
        if DECISION in (self.without, *self.until_outcomes):
            field = "without" if self.without == DECISION else "until_outcomes"
            yield Problem(field, f"{DECISION!r}", "a kind of outcome, such as click")

    def sentence(self, cause: int) -> str:
        """Say what begins the pause."""
        what = " or ".join((*self.outcomes, *self.events))
        without = f" without {self.without}" if self.without else ""
        often = f"{self.times} x " if self.times > 1 else ""
        window = f" within {in_words(self.within)}" if self.within else ""
        rule = f"pauses after {often}{what}{without}{window}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"


def compile_suppressions(
    selected: Sequence[Selected[Suppression]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy, all found by one kernel."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    if not gates:
        return Stage(())
    policies = [item.policy for item in selected]
    # What the catalog no longer knows may begin a pause, and never ends one.
    counted = [Counted(policy.watched, unknown) for policy in policies for unknown in (True, False)]
    selections = select_entries(counted, surroundings.catalog)
    rules = np.array(
        [[policy.times, policy.within_seconds, policy.pause_seconds] for policy in policies],
        dtype=np.int64,
    )
    unknown_causes = np.array(
        [SECOND_CAUSE if policy.missing is Missing.CLOSED else OPEN for policy in policies],
        dtype=np.uint8,
    )
    codes, starts = flat([codes for policy in policies for codes in _lists(policy)])
    first = surroundings.first_gate

    return Stage(gates, partial(_close, selections, rules, unknown_causes, codes, starts, first))


def _close(
    selections: Selections,
    rules: NDArray[np.int64],
    unknown_causes: NDArray[np.uint8],
    codes: NDArray[np.uint32],
    starts: NDArray[np.int64],
    first: int,
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    history = situation.history
    _close_paused(
        history.table,
        history.complete_since_s,
        situation.at_ms // MILLISECONDS_PER_SECOND,
        *selections,
        rules,
        unknown_causes,
        codes,
        starts,
        closed,
        first,
    )


def _lists(policy: Suppression) -> tuple[list[int], ...]:
    """Return its lists of codes, as the kernel numbers them."""
    return (
        [what_code(kind) for kind in policy.outcomes],
        [event_code(name) for name in policy.events],
        [outcome_code(policy.without)] if policy.without else [],
        [outcome_code(kind) for kind in policy.until_outcomes],
        [event_code(name) for name in policy.until_events],
    )


@numba.njit(cache=True)
def _close_paused(
    table: Any,
    complete_since_s: int,
    now_s: int,
    known: Any,
    known_starts: Any,
    masks: Any,
    rules: Any,
    unknown_causes: Any,
    codes: Any,
    starts: Any,
    closed: Any,
    first: int,
) -> None:
    place = places(table, known, known_starts)
    of_contact = groups(table, False)  # noqa: FBT003 - kernels have no keywords
    of_telling = groups(table, True)  # noqa: FBT003
    for policy in range(rules.shape[0]):
        times, within_s, pause_s = rules[policy, 0], rules[policy, 1], rules[policy, 2]
        ends = starts[policy * _N_LISTS : (policy + 1) * _N_LISTS + 1]
        ended_s = _last_end(table, place, now_s, masks, policy, codes, ends)
        begins = _begins(
            table,
            place,
            of_contact,
            now_s - pause_s - within_s,
            masks,
            policy,
            codes,
            ends,
        )
        since_s = max(now_s - pause_s, ended_s)
        if _is_paused(table, begins, of_telling, times, within_s, since_s):
            closed[first + policy] = FIRST_CAUSE
        elif complete_since_s > now_s - pause_s - within_s:
            closed[first + policy] = unknown_causes[policy]


@numba.njit(cache=True)
def _last_end(
    table: Any, place: Any, now_s: int, masks: Any, policy: int, codes: Any, ends: Any
) -> np.int64:
    """Return when a pause was last ended; what is still to come ends none."""
    outcomes = codes[ends[_UNTIL_OUTCOMES] : ends[_UNTIL_OUTCOMES + 1]]
    events = codes[ends[_UNTIL_EVENTS] : ends[_UNTIL_EVENTS + 1]]
    last_s = np.int64(-1)
    if outcomes.shape[0] + events.shape[0] == 0:
        return last_s
    for entry in range(table.shape[0]):
        at_s = np.int64(table[entry, AT_S])
        what = table[entry, WHAT]
        if last_s < at_s <= now_s and (
            is_among(what, events)
            or (is_among(what, outcomes) and selects(masks, 2 * policy + 1, place[entry]))
        ):
            last_s = at_s
    return last_s


@numba.njit(cache=True)
def _begins(
    table: Any,
    place: Any,
    of_contact: Any,
    since_s: int,
    masks: Any,
    policy: int,
    codes: Any,
    ends: Any,
) -> NDArray[np.int64]:
    """Return the entries that may begin a pause, by their time."""
    outcomes = codes[ends[_OUTCOMES] : ends[_OUTCOMES + 1]]
    events = codes[ends[_EVENTS] : ends[_EVENTS + 1]]
    without = codes[ends[_WITHOUT] : ends[_WITHOUT + 1]]
    n = table.shape[0]
    excused = np.zeros(n if without.shape[0] else 0, dtype=np.bool_)
    for entry in range(excused.shape[0]):
        if is_among(table[entry, WHAT], without):
            excused[of_contact[entry]] = True
    found = np.empty(n, dtype=np.int64)
    count = 0
    for entry in range(n):
        at_s = np.int64(table[entry, AT_S])
        what = table[entry, WHAT]
        if at_s < since_s or not (
            is_among(what, events)
            or (
                is_among(what, outcomes)
                and selects(masks, 2 * policy, place[entry])
                and not (excused.shape[0] and excused[of_contact[entry]])
            )
        ):
            continue
        slot = count
        while slot > 0 and np.int64(table[found[slot - 1], AT_S]) > at_s:
            found[slot] = found[slot - 1]
            slot -= 1
        found[slot] = entry
        count += 1
    return found[:count]


@numba.njit(cache=True)
def _is_paused(
    table: Any, begins: Any, of_telling: Any, times: int, within_s: int, since_s: int
) -> bool:
    """Say whether, at some moment since ``since_s``, enough lay within the time before it."""
    told = np.zeros(table.shape[0], dtype=np.int64)
    distinct = 0
    oldest = 0
    for index in range(begins.shape[0]):
        at_s = np.int64(table[begins[index], AT_S])
        key = of_telling[begins[index]]
        told[key] += 1
        distinct += told[key] == 1
        while np.int64(table[begins[oldest], AT_S]) < at_s - within_s:
            key = of_telling[begins[oldest]]
            told[key] -= 1
            distinct -= told[key] == 0
            oldest += 1
        if distinct >= times and at_s >= since_s:
            return True
    return False
