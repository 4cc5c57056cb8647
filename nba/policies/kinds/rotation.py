"""``rotation``: of the contents of an action, those whose turn it is.

It stands last: it chooses among what every guardrail left, and always leaves something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Content
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.history import AT_S, CONTACT, CONTENT, WHAT
from nba.domain.ids import hash32
from nba.domain.validity import bounds_ms
from nba.policies.counting import LONGEST_WINDOW, SHORTEST_WINDOW, in_words, position, whole_seconds
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import Selected, Stage, Surroundings


class Turn(StrEnum):
    """Whose turn it is: what was shown longest ago, or least often."""

    LEAST_RECENT = "least_recent"
    FEWEST = "fewest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation(PolicyKind):
    """Keeps, of the contents selected of an action, those whose turn it is.

    It is the turn of those shown ``least_recent`` to the customer, or the ``fewest`` times, within
    ``window`` and in any placement. Those that are equal all stay, and chance decides among them.
    It is asked last, about the contents in one language that every other policy left, and so never
    leaves an action without any. What the history does not know was not shown. To show a content at
    most so often, use a contact cap that names it.
    """

    kind: Literal["rotation"] = "rotation"
    window: timedelta
    by: Turn = Turn.LEAST_RECENT
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("rotation.others_turn", "it is another content's turn"),
    )

    @property
    def window_seconds(self) -> int:
        """The window, to the second above."""
        return whole_seconds(self.window)

    @property
    def is_about_contents(self) -> bool:
        """Always: it chooses among contents, whatever its selector names."""
        return True

    def problems(self) -> Iterator[Problem]:
        """Refuse windows that mean something else."""
        if not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            expected = "between 1 minute and 365 days, such as 30d"
            yield Problem("window", f"window {self.window}", expected)

    def sentence(self, cause: int) -> str:
        """Say whose turn it is."""
        whose = "shown longest ago" if self.by is Turn.LEAST_RECENT else "shown least often"
        rule = f"the one {whose} in {in_words(self.window)}"
        return f"{self.description} ({rule}; {self.causes[cause].meaning})"


def compile_rotations(selected: Sequence[Selected[Rotation]], surroundings: Surroundings) -> Stage:
    """Compile: no gate, but what narrows down the rows that all gates leave."""
    contents = surroundings.candidates.contents
    if contents is None or not selected:
        return Stage(())
    codes = np.array([hash32(content.id) for content in contents], dtype=np.uint32)
    sorted_codes = np.unique(codes)
    places = np.searchsorted(sorted_codes, codes)
    families = _families(contents)
    rules = [(item, *bounds_ms(item.policy.starts, item.policy.ends)) for item in selected]

    return Stage((), narrow=partial(_narrow, rules, sorted_codes, places, families))


def _narrow(
    rules: Sequence[tuple[Selected[Rotation], int | None, int | None]],
    sorted_codes: NDArray[np.uint32],
    places: NDArray[np.intp],
    families: NDArray[np.int64],
    situation: Situation,
    dropped_by: NDArray[np.int16],
) -> None:
    now_s = situation.at_ms // MILLISECONDS_PER_SECOND
    for item, starts_ms, ends_ms in rules:
        if starts_ms is not None and situation.at_ms < starts_ms:
            continue
        if ends_ms is not None and situation.at_ms >= ends_ms:
            continue
        _drop_others(
            situation.history.table,
            now_s - item.policy.window_seconds,
            item.policy.by is Turn.FEWEST,
            sorted_codes,
            places,
            families,
            item.rows,
            item.index,
            dropped_by,
        )


def _families(contents: Sequence[Content]) -> NDArray[np.int64]:
    """Return by content a number that those share which take turns: of an action in a locale."""
    numbers: dict[tuple[str, str], int] = {}
    return np.array(
        [numbers.setdefault((item.action, item.locale), len(numbers)) for item in contents],
        dtype=np.int64,
    )


@numba.njit(cache=True)
def _drop_others(
    table: Any,
    since_s: int,
    is_by_count: bool,  # noqa: FBT001 - kernels have no keywords
    codes: Any,
    places: Any,
    families: Any,
    rows: Any,
    policy: int,
    dropped_by: Any,
) -> None:
    shown = np.zeros(codes.shape[0], dtype=np.int64)
    for entry in range(table.shape[0]):
        at_s = np.int64(table[entry, AT_S])
        if table[entry, WHAT] != CONTACT or at_s < since_s:
            continue
        place = position(codes, table[entry, CONTENT])
        if place < codes.shape[0]:
            shown[place] = shown[place] + 1 if is_by_count else max(shown[place], at_s + 1)
    least = np.full(families.shape[0], -1, dtype=np.int64)
    for row in rows:
        often = shown[places[row]]
        if dropped_by[row] < 0 and (least[families[row]] < 0 or often < least[families[row]]):
            least[families[row]] = often
    for row in rows:
        if dropped_by[row] < 0 and shown[places[row]] > least[families[row]]:
            dropped_by[row] = policy
