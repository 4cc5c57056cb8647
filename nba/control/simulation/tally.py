"""Adding up replayed decisions: by action, branch, segment, channel and placement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from nba.control.simulation.replaying import Filled, Replayed
from nba.control.simulation.report import Figures, Reach, Row
from nba.decision.plan import Plan
from nba.domain.catalog import Action
from nba.domain.ids import NO_ACTION

NO_BRANCH = "(none)"
"""What has no term in the dimension."""


class _Sum:
    """Figures while they grow."""

    __slots__ = ("empty", "slots", "value", "volume")

    def __init__(self) -> None:
        self.volume = self.value = self.empty = 0.0
        self.slots = 0

    def figures(self) -> Figures:
        return Figures(self.volume, self.value, self.slots, self.empty)


class Tally:
    """Sums over the decisions of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # By placement: for each candidate its volume and its value, (n, 2).
        self._candidates = {
            slot.placement.id: np.zeros((len(slot.actions), 2)) for slot in plan.placements.values()
        }
        self._places: dict[str, _Sum] = defaultdict(_Sum)
        self._segments: dict[str, _Sum] = defaultdict(_Sum)
        self._with_options: set[str] = set()
        self._silent: dict[str, float] = {}
        self._gone = 0

    def add(self, decided: Replayed, segments: Sequence[str]) -> None:
        """Add a decision of a customer who is in some segments."""
        customer = decided.inputs.request.customer_id
        if decided.has_options:
            self._with_options.add(customer)
        self._silent[customer] = self._silent.get(customer, 1.0) * decided.silent
        sums = [self._segments[name] for name in segments]
        for filled in decided.filled:
            self._fill(filled, sums)
        self._gone += len(decided.gone)
        for name in decided.gone:
            for one in (*sums, self._places[name]):
                one.slots += 1
                one.empty += 1.0

    def _fill(self, filled: Filled, sums: Iterable[_Sum]) -> None:
        place = filled.slot.placement.id
        chances, empty = filled.probabilities, filled.empty
        worth = chances * filled.values
        table = self._candidates[place]
        table[filled.kept, 0] += chances
        table[filled.kept, 1] += worth
        volume = float(chances.sum()) - empty + len(filled.deeper)
        value = float(worth.sum()) + sum(value for _, value in filled.deeper)
        for row, value_below in filled.deeper:
            table[row] += (1.0, value_below)
        for one in (*sums, self._places[place]):
            one.volume += volume
            one.value += value
            one.empty += empty
            one.slots += 1

    @property
    def reach(self) -> Reach:
        """Who may get an offer, and how many are expected to."""
        return Reach(len(self._with_options), sum(1.0 - p for p in self._silent.values()))

    @property
    def total(self) -> Figures:
        """All decisions."""
        sums = self._places.values()
        return Figures(
            sum(one.volume for one in sums),
            sum(one.value for one in sums),
            sum(one.slots for one in sums),
            sum(one.empty for one in sums),
        )

    def by_place(self) -> dict[str, Figures]:
        """Figures by placement."""
        return {name: one.figures() for name, one in self._places.items()}

    def by_channel(self, channels: dict[str, str]) -> dict[str, Figures]:
        """Figures by channel, given that of each placement; one without stands for itself."""
        found: dict[str, Figures] = {}
        for name, one in self._places.items():
            channel = channels.get(name, name)
            found[channel] = _added(found.get(channel, Figures()), one.figures())
        return found

    def by_segment(self) -> dict[str, Figures]:
        """Figures by segment; a customer may be in several."""
        return {name: one.figures() for name, one in self._segments.items()}

    def by_action(self) -> dict[str, Figures]:
        """Volume and value by action; ``no_action`` counts what stays empty."""
        found: dict[str, Figures] = {}
        for volume, value, action in self._rows():
            empty = volume if action.is_no_action else 0.0
            found[action.id] = _added(
                found.get(action.id, Figures()), Figures(volume, value, 0, empty)
            )
        if self._gone:
            gone = float(self._gone)
            nothing = found.get(NO_ACTION, Figures())
            found[NO_ACTION] = _added(nothing, Figures(gone, 0.0, 0, gone))
        return found

    def by_branch(self, dimension: str, depth: int) -> dict[str, Figures]:
        """Volume and value by branch: the first term in a dimension, cut to some levels."""
        found: dict[str, Figures] = {}
        for volume, value, action in self._rows():
            if action.is_no_action:
                continue
            branch = action.term_in(dimension, depth=depth) or NO_BRANCH
            found[branch] = _added(found.get(branch, Figures()), Figures(volume, value))
        return found

    def _rows(self) -> Iterable[tuple[float, float, Action]]:
        for name, table in self._candidates.items():
            slot = self._plan.placements[name]
            for action, (volume, value) in zip(slot.actions, table.tolist(), strict=True):
                yield volume, value, action


def _added(one: Figures, other: Figures) -> Figures:
    return Figures(
        one.volume + other.volume,
        one.value + other.value,
        one.slots + other.slots,
        one.empty + other.empty,
    )


def side_by_side(before: dict[str, Figures], after: dict[str, Figures]) -> tuple[Row, ...]:
    """Return rows of all names, sorted; what is not there has nothing."""
    nothing = Figures()
    return tuple(
        Row(name, before.get(name, nothing), after.get(name, nothing))
        for name in sorted({*before, *after})
    )
