"""What all customers share, recounted: budgets, and groups that are chosen for too often.

Whether spending kept its pace, and whether a minimum was boosted, is not recounted: that depends on
what a replica knew of the others at that moment, and no limit is passed by it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from nba.domain.catalog import Action, Placement
from nba.measurement.said import Contact, Log, duration_seconds, selects_action

PolicyData = Mapping[str, Any]
Found = Iterator[tuple[Contact, str]]

JUDGED_MS = 60_000
"""How long after a group went out of bounds a replica may still not have been told."""

_HUNDREDTHS = 100
_TILES = 24
_DAY_MS = 86_400_000


def budgets(policy: PolicyData, contacts: list[Contact], log: Log) -> Found:
    """Yield contacts that surely took more than was left of a period.

    A share counts from its decision on in the period of that, where nothing gave it back. With
    ``counting`` an outcome, one that came in time must confirm it; others may have been given back.
    """
    money = policy.get("unit") == "money"
    limit = round(float(policy["limit"]) * (_HUNDREDTHS if money else 1))
    hold_ms = 1_000 * duration_seconds(policy.get("hold") or 0)
    spent: dict[object, int] = defaultdict(int)
    for contact in contacts:
        if not _stays(policy, contact, log, hold_ms):
            continue
        period = _period(policy, contact.at_ms)
        units = _units(policy, contact.action) if money else 1
        spent[period] += units
        if units and spent[period] > limit:
            named = "in all" if period is None else f"in the period of {period}"
            yield contact, f"{spent[period]} of {limit} units were spent {named}"


def _stays(policy: PolicyData, contact: Contact, log: Log, hold_ms: float) -> bool:
    """Say whether a contact surely keeps what it took."""
    had = log.outcomes.get((contact.decision_id, contact.choice), [])
    if any(told.name in (policy.get("release") or ()) for told in had):
        return False
    counting = policy.get("counting", "decision")
    until_ms = contact.at_ms + hold_ms
    return counting == "decision" or any(
        told.name == counting and told.received_ms <= until_ms for told in had
    )


def _units(policy: PolicyData, action: Action) -> int:
    """Return hundredths of the currency, rounded up."""
    money = action.value if policy.get("amount") == "value" else action.cost
    return max(math.ceil(round(money * _HUNDREDTHS, 6)), 0)


def _period(policy: PolicyData, at_ms: int) -> object:
    """Return what the period is called that a moment lies in; ``None`` for the only one."""
    text = policy.get("period", "total")
    if text == "total":
        return None
    if text not in ("day", "week", "month"):
        length_ms = round(1_000 * duration_seconds(text))
        return datetime.fromtimestamp(at_ms // length_ms * length_ms / 1_000, UTC).isoformat()
    zone = ZoneInfo(policy.get("zone") or "UTC")
    day = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone).date()
    if text == "week":
        day -= timedelta(days=day.weekday())
    return f"{day:%Y-%m}" if text == "month" else day.isoformat()


def fairness(
    policy: PolicyData,
    contacts: list[Contact],
    decisions: pl.DataFrame,
    actions: Sequence[Action],
    places: Sequence[Placement],
) -> Found:
    """Yield contacts with customers of a group that had been above the bound for long enough.

    ``actions`` are those that a policy of this kind may hold back at all. The rate of a group is
    the mean chance with which something selected was drawn for it, over the draws of the window in
    which something selected was left.
    """
    column = f"f_{str(policy['by']).removeprefix('customer.')}"
    if policy.get("on_breach", "alert") != "block" or column not in decisions.columns:
        return
    groups = [_group(value) for value in decisions.get_column(column).to_list()]
    rates = _Rates(policy, _draws(policy, groups, decisions, actions, places))
    for contact in contacts:
        group = groups[contact.row]
        if group is not None and rates.is_above_all_along(group, contact.at_ms):
            yield contact, f"group {group} had more than its share for {JUDGED_MS // 1_000} s"


def _group(value: object) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value unlike itself
        return None
    return value if isinstance(value, str) else str(bool(value)).lower()


def _draws(
    policy: PolicyData,
    groups: list[str | None],
    decisions: pl.DataFrame,
    actions: Sequence[Action],
    places: Sequence[Placement],
) -> Iterator[tuple[int, str | None, float]]:
    """Iterate over the moment, group and chance of each draw in which something was left."""
    selector = policy.get("applies_to") or {}
    selected = {
        str(place.id): {str(a.id) for a in actions if selects_action(selector, a, place)}
        for place in places
    }
    columns = ("placement", "candidates", "probabilities")
    frame = decisions.select(pl.col("at").dt.timestamp("ms"), *columns)
    for row, (at_ms, name, candidates, chances) in enumerate(frame.iter_rows()):
        if chances is None:  # what another system took in shadow was drawn by nobody here
            continue
        pairs = zip(candidates, chances, strict=True)
        mine = [c for action, c in pairs if action != "no_action" and action in selected[name]]
        if mine:
            yield at_ms, groups[row], min(sum(mine), 1.0)


class _Rates:
    """How often each group was chosen for, over the window before any moment."""

    def __init__(self, policy: PolicyData, draws: Iterator[tuple[int, str | None, float]]) -> None:
        self._ratio = policy.get("max_ratio")
        self._difference = float(policy.get("max_difference") or 0.0)
        self._least = int(policy.get("min_decisions", 1_000))
        window_s = math.ceil(duration_seconds(policy.get("window", 7 * _DAY_MS // 1_000)))
        self._window_ms = 1_000 * window_s
        self._tile_ms = 1_000 * -(-window_s // _TILES)
        found = sorted(draws, key=lambda draw: draw[0])
        self._moments = [at_ms for at_ms, _, _ in found]
        self._all = _Sums(found)
        names = {group for _, group, _ in found if group is not None}
        self._by_group = {n: _Sums([d for d in found if d[1] == n]) for n in names}

    def is_above_all_along(self, group: str, at_ms: int) -> bool:
        """Say whether a group was above the bound at every moment that may have been judged."""
        first = bisect_left(self._moments, at_ms - JUDGED_MS)
        last = bisect_left(self._moments, at_ms)
        between = [at_ms - JUDGED_MS, *self._moments[first:last], at_ms]
        return all(self._is_above(group, moment) for moment in between)

    def _is_above(self, group: str, at_ms: int) -> bool:
        """Judge as of just before a moment, whichever of its two tiles the window begins with."""
        sums = self._by_group.get(group)
        if sums is None:
            return False
        for extra in (0, self._tile_ms):
            since_ms = (at_ms - self._window_ms - extra) // self._tile_ms * self._tile_ms
            draws, chances = sums.between(since_ms + self._tile_ms, at_ms)
            all_draws, all_chances = self._all.between(since_ms + self._tile_ms, at_ms)
            if draws < max(self._least, 1):
                return False
            rate, overall = chances / draws, all_chances / all_draws
            if self._ratio is not None and rate <= overall * float(self._ratio):
                return False
            if self._ratio is None and rate <= overall + self._difference:
                return False
        return True


class _Sums:
    """Draws and their chances between two moments."""

    def __init__(self, draws: list[tuple[int, str | None, float]]) -> None:
        self._moments = [at_ms for at_ms, _, _ in draws]
        self._chances = [0.0, *accumulate(chance for _, _, chance in draws)]

    def between(self, since_ms: int, until_ms: int) -> tuple[int, float]:
        """Return how many draws there were, and the sum of their chances."""
        first = bisect_left(self._moments, since_ms)
        last = max(bisect_right(self._moments, until_ms - 1), first)
        return last - first, self._chances[last] - self._chances[first]
