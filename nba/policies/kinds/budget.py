"""``budget``: at most so much money, volume or stock over a period, spread over it as one likes.

What is spent is one number for all customers, counted in whole units (hundredths of the currency,
or pieces) by the store. A decision looks at the number as it was last known here, and takes its
share from the real one before it is given (:mod:`nba.decision.budgeting`), so that no budget is
ever overspent, however many decide at once.

How much may be spent when a part x of the period has passed: with ``pacing: none`` all of it, with
``even`` the part x, with ``front_loaded`` the part 1 - (1 - x)², and with both 2 % more, so that
the first customers of a period need not wait. The first choice of a period is always allowed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Catalog, Content, Placement
from nba.domain.history import ACTION, CONTENT, PLACEMENT
from nba.domain.ids import hash32
from nba.domain.validity import bounds_ms
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.kinds.quiet_hours import find_zone
from nba.policies.order import concerns
from nba.policies.periods import CALENDAR, TOTAL, Period, length_seconds, period_at
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

BURST = 0.02
"""Part of the limit by which spending may be ahead of its pace."""

HIGHEST_BOOST = 10.0
HIGHEST_LIMIT = 1e12
LONGEST_HOLD = timedelta(days=30)
DECISION = "decision"
"""What is counted where being chosen is enough."""

SPENT, UNKNOWN, PACED = FIRST_CAUSE, SECOND_CAUSE, SECOND_CAUSE + 1

_PER_CURRENCY = 100
_ROUNDING = 1e-6


class Unit(StrEnum):
    """What a budget is counted in."""

    MONEY = "money"
    VOLUME = "volume"
    STOCK = "stock"


class Pacing(StrEnum):
    """How spending is spread over the period."""

    NONE = "none"
    EVEN = "even"
    FRONT_LOADED = "front_loaded"


class Amount(StrEnum):
    """What a choice costs a budget of money."""

    COST = "cost"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(PolicyKind):
    """Drops what no longer fits into ``limit`` over a ``period``, all customers together.

    A choice takes 1 of a ``volume`` or a ``stock``, and of ``money`` the action's ``cost`` (or its
    ``value``), rounded up to a hundredth of the currency; what costs nothing is not held back.
    Periods are a ``day``, ``week`` or ``month`` in ``zone``, a length such as ``6h``, or
    ``total``, which is as long as the policy holds; a stock is never refilled, so it is total.

    With ``counting: decision`` being chosen is enough. With the kind of an outcome, a choice keeps
    its share for ``hold`` and gives it back if that outcome was not reported by then. An outcome
    in ``release`` gives it back at once. While less was spent than the part of ``minimum`` that
    its time calls for, the value of everything selected is multiplied by ``boost``.
    """

    kind: Literal["budget"] = "budget"
    limit: float
    unit: Unit = Unit.VOLUME
    amount: Amount = Amount.COST
    period: str = TOTAL
    zone: str = "UTC"
    pacing: Pacing = Pacing.NONE
    minimum: float = 0.0
    boost: float = 1.0
    counting: str = DECISION
    release: tuple[str, ...] = ()
    hold: timedelta | None = None
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("budget.spent", "what is left of it does not suffice"),
        Cause("budget.unknown", "how much of it is spent is not known here"),
        Cause("budget.paced", "it is spent ahead of its pace"),
        Cause("budget.boosted", "less of it is delivered than promised by now"),
    )

    @property
    def limit_units(self) -> int:
        """The limit in whole units: hundredths of the currency, or pieces."""
        return self._units(self.limit)

    @property
    def added_up_by(self) -> str:
        """What spending must have in common to be added up, besides the policy's id."""
        zone = f"@{self.zone}" if self.period in CALENDAR else ""
        return f"{self.unit}/{self.period}{zone}"

    @property
    def is_final(self) -> bool:
        """Whether nothing gives back what a choice took."""
        return self.counting == DECISION and not self.release

    def units_of(self, action: Action) -> int:
        """Return what a choice of an action takes, in whole units."""
        if self.unit is not Unit.MONEY:
            return 1
        money = action.value if self.amount is Amount.VALUE else action.cost
        return max(math.ceil(money * _PER_CURRENCY - _ROUNDING), 0)

    def takes(self, action: Action, placement: Placement, content: Content | None) -> int:
        """Return what a choice takes, in whole units; 0 where it is none of this budget's."""
        selector = self.applies_to
        if not (selector.matches(action, placement) and concerns(self.kind, selector, action)):
            return 0
        if self.is_about_contents and not (content and selector.matches_content(content)):
            return 0
        return self.units_of(action)

    def period_of(self, at_ms: int) -> Period:
        """Return the period a moment lies in; the total one starts at 0."""
        if self.period == TOTAL:
            end_ms = bounds_ms(self.starts, self.ends)[1]
            return Period(0, None if end_ms is None else -(-end_ms // 1_000))
        return period_at(self.period, self.zone, at_ms)

    def elapsed(self, at_ms: int) -> float:
        """Return which part of the period has passed, 0 to 1."""
        period = self.period_of(at_ms)
        if self.period == TOTAL:
            start_ms = bounds_ms(self.starts, self.ends)[0] or 0
            period = Period(start_ms // 1_000, period.end_s)
        return period.elapsed(at_ms)

    def allowed_units(self, at_ms: int) -> int:
        """Return how much its pacing allows to be spent by now, in whole units."""
        if self.pacing is Pacing.NONE:
            return self.limit_units
        left = 1.0 - self.elapsed(at_ms)
        part = 1.0 - (left if self.pacing is Pacing.EVEN else left * left)
        return math.floor(self.limit_units * min(part + BURST, 1.0))

    def is_behind(self, used: int, at_ms: int) -> bool:
        """Say whether less was spent than its minimum calls for by now."""
        promised = math.floor(self._units(self.minimum) * self.elapsed(at_ms))
        return used < promised

    def problems(self) -> Iterator[Problem]:
        """Refuse limits that cannot be counted, and settings that contradict each other."""
        yield from self._limit_problems()
        yield from self._period_problems()
        yield from self._minimum_problems()
        yield from self._hold_problems()

    def sentence(self, cause: int) -> str:
        """Say how much of what in which period."""
        what = {Unit.MONEY: "", Unit.VOLUME: " choices", Unit.STOCK: " in stock"}[self.unit]
        when = "in all" if self.period == TOTAL else f"per {self.period}"
        rule = f"{self.limit:g}{what} {when}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"

    def _units(self, number: float) -> int:
        return round(number * (_PER_CURRENCY if self.unit is Unit.MONEY else 1))

    def _limit_problems(self) -> Iterator[Problem]:
        expected = "hundredths of the currency" if self.unit is Unit.MONEY else "whole pieces"
        if not 0 < self.limit <= HIGHEST_LIMIT:
            yield Problem("limit", f"limit {self.limit:g}", f"above 0, at most {HIGHEST_LIMIT:g}")
            return
        for name, number in (("limit", self.limit), ("minimum", self.minimum)):
            scale = _PER_CURRENCY if self.unit is Unit.MONEY else 1
            if abs(number) <= HIGHEST_LIMIT and abs(number * scale - self._units(number)) > (
                _ROUNDING * max(1.0, abs(number))
            ):
                yield Problem(name, f"{name} {number!r}", f"a number of {expected}")
        if self.unit is not Unit.MONEY and self.amount is not Amount.COST:
            found = f"amount {self.amount.value!r} of a {self.unit.value}"
            yield Problem("amount", found, "only a budget of money has an amount")

    def _period_problems(self) -> Iterator[Problem]:
        if self.period not in (*CALENDAR, TOTAL) and length_seconds(self.period) is None:
            expected = "day, week, month, total, or 1 minute to 366 days, such as 6h"
            yield Problem("period", f"period {self.period!r}", expected)
        if find_zone(self.zone) is None:
            expected = "an IANA time zone such as Europe/Vienna"
            yield Problem("zone", f"zone {self.zone!r}", expected)
        elif self.zone != "UTC" and self.period not in CALENDAR:
            found = f"zone {self.zone!r} with period {self.period!r}"
            yield Problem("zone", found, "only a day, week or month has a zone")
        if self.unit is Unit.STOCK and self.period != TOTAL:
            found = f"a stock with period {self.period!r}"
            yield Problem("period", found, "total: a stock is not refilled; or a volume")
        if self.period != TOTAL or (self.starts and self.ends):
            return
        for name, wanted in (("pacing", self.pacing is not Pacing.NONE), ("minimum", self.minimum)):
            if wanted:
                found = f"{name} over a total that has no dates"
                yield Problem(name, found, "give starts and ends, or another period")

    def _minimum_problems(self) -> Iterator[Problem]:
        if self.minimum and not 0 < self.minimum <= self.limit:
            yield Problem("minimum", f"minimum {self.minimum:g}", f"0 to the limit {self.limit:g}")
        if not 1 <= self.boost <= HIGHEST_BOOST:
            yield Problem("boost", f"boost {self.boost:g}", f"1 to {HIGHEST_BOOST:g}")
        if (self.minimum > 0) != (self.boost > 1):
            found = f"minimum {self.minimum:g} with boost {self.boost:g}"
            yield Problem("boost", found, "a minimum and a boost above 1, or neither")
        if self.minimum > 0 and self.is_about_contents:
            found = "a minimum for some contents of an action"
            yield Problem("minimum", found, "a minimum is for whole actions: select actions")

    def _hold_problems(self) -> Iterator[Problem]:
        if not self.counting:
            yield Problem("counting", "counting ''", "decision, or a kind of outcome")
        if self.counting in self.release:
            found = f"{self.counting!r} in both"
            yield Problem("release", found, "an outcome counts, or it gives back")
        if self.is_final:
            if self.hold is not None:
                found = "hold without counting an outcome or release"
                yield Problem("hold", found, "leave it out: nothing is given back")
            return
        if self.hold is None:
            expected = "how long to wait for outcomes, such as 2d"
            yield Problem("hold", "no hold", expected)
        elif not timedelta(seconds=1) <= self.hold <= LONGEST_HOLD:
            yield Problem("hold", f"hold {self.hold}", "between 1 second and 30 days")


def compile_budgets(selected: Sequence[Selected[Budget]], surroundings: Surroundings) -> Stage:
    """Compile: a gate for each policy and amount, the smallest first; boosts beside them."""
    gates: list[Gate] = []
    meters: list[_Meter] = []
    coded = _Coded.of(surroundings.catalog) if selected else _Coded({}, {}, {})
    for item in selected:
        meter = _Meter(item, surroundings, surroundings.first_gate + len(gates), coded)
        meters.append(meter)
        gates.extend(meter.gates)
    boosted = [meter for meter in meters if meter.policy.minimum > 0]

    return Stage(
        tuple(gates), partial(_close, meters), partial(_weigh, boosted) if boosted else None
    )


def _weigh(
    boosted: Sequence[_Meter],
    situation: Situation,
    weights: NDArray[np.float64],
) -> None:
    for meter in boosted:
        meter.weigh(situation, weights)


def _close(
    meters: Sequence[_Meter],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    for meter in meters:
        meter.close(situation, closed)


class _Coded(NamedTuple):
    """Everything in a catalog by the codes that histories keep."""

    actions: Mapping[int, Action]
    placements: Mapping[int, Placement]
    contents: Mapping[int, Content]

    @classmethod
    def of(cls, catalog: Catalog) -> _Coded:
        """Return a catalog by codes."""
        return cls(
            {hash32(action.id): action for action in catalog.actions},
            {hash32(placement.id): placement for placement in catalog.placements},
            {hash32(content.id): content for content in catalog.contents},
        )


class _Meter:
    """One budget before the candidates of a placement."""

    def __init__(
        self,
        item: Selected[Budget],
        surroundings: Surroundings,
        first_gate: int,
        coded: _Coded,
    ) -> None:
        self.policy = policy = item.policy
        self._rows = item.rows
        self._code = hash32(policy.id)
        self._first = first_gate
        self._bounds = bounds_ms(policy.starts, policy.ends)
        units = np.array([policy.units_of(surroundings.candidates.actions[r]) for r in item.rows])
        self._amounts: list[int] = [amount for amount in np.unique(units).tolist() if amount > 0]
        self.gates = [Gate(item.index, item.rows[units == amount]) for amount in self._amounts]
        self._coded = coded

    def close(self, situation: Situation, closed: NDArray[np.uint8]) -> None:
        """Close the gates of what does not fit any more."""
        policy, at_ms = self.policy, situation.at_ms
        start, stop = self._first, self._first + len(self._amounts)
        used = self._used(situation)
        if used is None:
            closed[start:stop] = UNKNOWN
            return
        if used:
            paced = policy.allowed_units(at_ms) - used
            closed[start + bisect_right(self._amounts, paced) : stop] = PACED
        left = policy.limit_units - used
        closed[start + bisect_right(self._amounts, left) : stop] = SPENT

    def weigh(self, situation: Situation, weights: NDArray[np.float64]) -> None:
        """Multiply what is behind its minimum; what is not known is not."""
        starts, ends = self._bounds
        at_ms = situation.at_ms
        if (starts is not None and at_ms < starts) or (ends is not None and at_ms >= ends):
            return
        used = self._used(situation)
        if used is not None and self.policy.is_behind(used, at_ms):
            weights[self._rows] *= self.policy.boost

    def _used(self, situation: Situation) -> int | None:
        """Return what is spent, with what this answer takes; ``None`` where it is not known.

        What was last known of an earlier period says that nothing is known to be spent in this
        one, and that of a later one that this clock cannot be trusted.
        """
        known = situation.shared.get(self._code)
        if known is None:
            return None
        start_s = self.policy.period_of(situation.at_ms).start_s
        if known[0] > start_s:
            return None
        used = known[1] if known[0] == start_s else 0
        if len(situation.history) > situation.answer_from:
            own = situation.history.table[situation.answer_from :].tolist()
            used += sum(
                self._units(entry[ACTION], entry[PLACEMENT], entry[CONTENT]) for entry in own
            )
        return used

    def _units(self, action: int, placement: int, content: int) -> int:
        """Return the units that a contact takes."""
        coded = self._coded
        shown = coded.contents.get(content)
        return self.policy.takes(coded.actions[action], coded.placements[placement], shown)
