"""``contact_cap``: at most so many contacts in a rolling or calendar window, over any selector.

Contacts are kept to the second, so a contact may be up to a second older than it seems; the window
counts one second more rather than one contact too few.
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
from nba.domain.history import AT_S, CONTACT, WHAT, outcome_code
from nba.policies.calendar_window import CalendarWindow
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
from nba.policies.stage import FIRST_CAUSE, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

DEFAULT_HOLD = timedelta(days=1)

_THIRD_CAUSE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCap(PolicyKind):
    """Drops everything selected once ``limit`` selected contacts lie within ``window``.

    ``window`` is a duration, or the current one of a calendar: ``{calendar: week}``, where
    ``calendar`` is ``day``, ``week`` or ``month``, ``zone`` is ``customer`` (the default) or an
    IANA name, ``week_starts`` is a weekday (``mon`` … ``sun``) and ``month_starts`` a day from 1 to
    28. Every recorded contact counts whose action and placement the selector selects, in whatever
    placement the decision is for. What the catalog no longer knows counts too, and where the
    history does not reach back far enough, or the zone is not known, nothing selected is said.

    ``counting`` says what counts: each ``decision``, or each contact with a kind of outcome
    (``delivered``, ``impression``, ``click``, or one of your own), at the time of the outcome. A
    contact of which it is not known yet counts as if it had it, until ``hold`` has passed since the
    decision (1 minute to 365 days; a day where it is not given) or an outcome in ``release`` comes.
    Outcomes are known from when the first policy that looks for them is live.
    """

    kind: Literal["contact_cap"] = "contact_cap"
    limit: int
    window: timedelta | CalendarWindow
    counting: str = DECISION
    hold: timedelta | None = None
    release: tuple[str, ...] = ()
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("contact_cap.reached", "as many contacts as allowed lie within the window"),
        Cause("contact_cap.unknown", "the contact history does not reach back far enough to count"),
        Cause("contact_cap.time_zone_unknown", "the customer's time zone is not known"),
    )

    @property
    def window_seconds(self) -> int:
        """The window, or how long a contact is held where that is longer."""
        if isinstance(self.window, CalendarWindow):
            return max(self.window.longest_seconds, self.hold_seconds)
        return max(whole_seconds(self.window), self.hold_seconds)

    @property
    def hold_seconds(self) -> int:
        """How long a contact counts before its outcome is known; 0 where contacts count."""
        return 0 if self.counting == DECISION else whole_seconds(self.hold or DEFAULT_HOLD)

    def noted_outcomes(self) -> Iterable[str]:
        """Return what confirms or releases a contact."""
        return (*self.release, *(() if self.counting == DECISION else (self.counting,)))

    def problems(self) -> Iterator[Problem]:
        """Refuse a cap of nothing, windows that mean something else, and what says nothing."""
        if self.limit < 1:
            expected = "at least 1; to say nothing at all, use an eligibility policy"
            yield Problem("limit", f"limit {self.limit}", expected)
        if isinstance(self.window, CalendarWindow):
            yield from self.window.problems("window")
        elif not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 7d"
            yield Problem("window", f"window {self.window}", expected)
        if self.hold is not None and self.counting == DECISION:
            found = "hold with counting: decision"
            yield Problem("hold", found, "leave it out: every decision counts at once")
        if self.hold is not None and not SHORTEST_WINDOW <= self.hold <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 1d"
            yield Problem("hold", f"hold {self.hold}", expected)
        yield from name_problems("counting", [self.counting])
        yield from name_problems("release", self.release)
        if self.counting in self.release:
            found = f"{self.counting!r} both confirms a contact and releases it"
            yield Problem("release", found, "remove it from one of them")

    def sentence(self, cause: int) -> str:
        """Say which number of contacts in which window."""
        window = self.window
        when = window.in_words() if isinstance(window, CalendarWindow) else in_words(window)
        counted = "" if self.counting == DECISION else f" with {self.counting}"
        rule = f"at most {self.limit}{counted} in {when}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"


def compile_caps(selected: Sequence[Selected[ContactCap]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy, counted over the whole catalog by one kernel."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    if not gates:
        return Stage(())
    caps = [item.policy for item in selected]
    selections = select_entries(
        [Counted(cap.applies_to, unknown=True) for cap in caps], surroundings.catalog
    )
    rules = np.array(
        [[cap.limit, what_code(cap.counting), cap.hold_seconds] for cap in caps], dtype=np.int64
    )
    releases, release_starts = flat([[outcome_code(kind) for kind in c.release] for c in caps])
    rolling_s = np.array(
        [0 if isinstance(c.window, CalendarWindow) else whole_seconds(c.window) for c in caps],
        dtype=np.int64,
    )
    calendars: dict[CalendarWindow, list[int]] = {}
    for number, cap in enumerate(caps):
        if isinstance(cap.window, CalendarWindow):
            calendars.setdefault(cap.window, []).append(number)
    first = surroundings.first_gate

    return Stage(
        gates,
        partial(_close, selections, rules, releases, release_starts, rolling_s, calendars, first),
    )


def _close(
    selections: Selections,
    rules: NDArray[np.int64],
    releases: NDArray[np.uint32],
    release_starts: NDArray[np.int64],
    rolling_s: NDArray[np.int64],
    calendars: Mapping[CalendarWindow, Sequence[int]],
    first: int,
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    history = situation.history
    now_s = situation.at_ms // MILLISECONDS_PER_SECOND
    since_s = now_s - rolling_s
    nowhere: list[int] = []
    for window, numbers in calendars.items():
        zone = window.zone_for(situation.time_zone)
        if zone is None:
            nowhere.extend(numbers)
        else:
            since_s[numbers] = window.start_s(now_s, zone)
    _close_reached(
        history.table,
        history.complete_since_s,
        now_s,
        *selections,
        since_s,
        rules,
        releases,
        release_starts,
        closed,
        first,
    )
    for number in nowhere:
        closed[first + number] = _THIRD_CAUSE


@numba.njit(cache=True)
def _close_reached(
    table: Any,
    complete_since_s: int,
    now_s: int,
    known: Any,
    known_starts: Any,
    masks: Any,
    since_s: Any,
    rules: Any,
    releases: Any,
    release_starts: Any,
    closed: Any,
    first: int,
) -> None:
    n_caps = rules.shape[0]
    counts = np.zeros(n_caps, dtype=np.int64)
    place = places(table, known, known_starts)
    group = np.empty(0, dtype=np.int64)
    for entry in range(table.shape[0]):
        if table[entry, WHAT] != CONTACT:
            continue
        at_s = np.int64(table[entry, AT_S])
        for cap in range(n_caps):
            # A contact of the future counts: a clock that steps back must not lift a cap.
            if at_s >= since_s[cap] and selects(masks, cap, place[entry]):
                counts[cap] += 1
    for cap in range(n_caps):
        limit, counting, hold_s = rules[cap, 0], rules[cap, 1], rules[cap, 2]
        start, stop = release_starts[cap], release_starts[cap + 1]
        held_since_s = since_s[cap] if counting == CONTACT else now_s - hold_s
        if counting != CONTACT or start < stop:
            if group.shape[0] < table.shape[0]:
                group = groups(table, False)  # noqa: FBT003 - kernels have no keywords
            counts[cap] = _reserved(
                table,
                group,
                place,
                masks,
                cap,
                counting,
                since_s[cap],
                held_since_s,
                releases[start:stop],
            )
        if counts[cap] >= limit:
            closed[first + cap] = FIRST_CAUSE
        elif complete_since_s > min(since_s[cap], held_since_s):
            closed[first + cap] = SECOND_CAUSE


@numba.njit(cache=True)
def _reserved(
    table: Any,
    group: Any,
    place: Any,
    masks: Any,
    cap: int,
    counting: int,
    since_s: int,
    held_since_s: int,
    releases: Any,
) -> int:
    """Return how many contacts are confirmed in the window, or held without a word of them."""
    n = table.shape[0]
    is_settled = np.zeros(n, dtype=np.bool_)
    is_counted = np.zeros(n, dtype=np.bool_)
    count = 0
    for entry in range(n):
        what = table[entry, WHAT]
        if what == CONTACT:
            continue
        if what == counting:
            is_settled[group[entry]] = True
            if (
                not is_counted[group[entry]]
                and np.int64(table[entry, AT_S]) >= since_s
                and selects(masks, cap, place[entry])
            ):
                is_counted[group[entry]] = True
                count += 1
        elif is_among(what, releases):
            is_settled[group[entry]] = True
    for entry in range(n):
        if (
            table[entry, WHAT] == CONTACT
            and not is_settled[group[entry]]
            and np.int64(table[entry, AT_S]) >= held_since_s
            and selects(masks, cap, place[entry])
        ):
            count += 1
    return count
