"""What a simulation says: before and after, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Figures:
    """What is expected of some decisions under one plan.

    ``volume`` counts offers: expected ones at the first rank of a placement, drawn ones below it.
    ``value`` is their expected value and that of saying nothing, in currency, without levers.
    ``slots`` are placements asked for and ``empty`` how many of them are expected to stay so.
    """

    volume: float = 0.0
    value: float = 0.0
    slots: int = 0
    empty: float = 0.0

    @property
    def no_action_share(self) -> float:
        """The share of placements in which nothing is said; 0 where none was asked for."""
        return self.empty / self.slots if self.slots else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One action, branch, segment, channel or placement: before ▸ after."""

    name: str
    before: Figures
    after: Figures

    @property
    def moved(self) -> float:
        """By how many offers it grows; below 0 it shrinks."""
        return self.after.volume - self.before.volume


@dataclass(frozen=True, slots=True)
class Reach:
    """Customers of the sample: ``with_options`` may get an offer, ``reached`` are expected to."""

    with_options: int
    reached: float


@dataclass(frozen=True, slots=True)
class LossReason:
    """What closes, for those who lose every option, something that was open to them.

    ``decisions`` counts those in which it does; ``policy`` is empty where no policy does.
    """

    policy: str
    code: str
    sentence: str
    decisions: int


@dataclass(frozen=True, slots=True)
class Losses:
    """Decisions that could say something and can only say ``no_action`` after.

    ``by_segment`` counts them by segment; ``customers`` are those who keep no option in any of
    their decisions of the sample; ``sample`` are some of their ids, always the same.
    """

    decisions: int
    share_of_decisions: float
    customers: int
    share_of_customers: float
    by_segment: Mapping[str, int]
    reasons: tuple[LossReason, ...]
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValueRow:
    """What a policy would have earned per decision, estimated from what was logged.

    ``value``, ``low`` and ``high`` (95 %) are ``None`` where ``refused`` says why the log cannot
    carry the estimate.
    """

    policy: str
    estimator: str
    value: float | None
    low: float | None
    high: float | None
    effective_sample_size: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """After less before per decision, on the same resamples of customers; refused as a row is."""

    estimator: str
    difference: float | None
    low: float | None
    high: float | None
    finding: str


@dataclass(frozen=True, slots=True)
class OffPolicy:
    """The value table: both plans, ``no_action`` and the best constant action.

    ``decisions`` are those of the sample with a reward. ``refused`` says why there is no table.
    ``best_constant`` was picked by the same log, which flatters it.
    """

    decisions: int
    rows: tuple[ValueRow, ...] = ()
    differences: tuple[ValueDifference, ...] = ()
    best_constant: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport:
    """What a change of plan would do to recorded decisions.

    ``left_out`` counts records that fit neither plan; ``lacking`` gives, for each feature that the
    plan after reads and records do not have, the decisions judged with it missing; ``gone`` the
    decisions that asked for a placement the plan after does not have.
    """

    before: str
    after: str
    decisions: int
    customers: int
    since_ms: int | None
    until_ms: int | None
    left_out: int
    lacking: Mapping[str, int]
    gone: Mapping[str, int]
    total: Row
    reach_before: Reach
    reach_after: Reach
    by_action: tuple[Row, ...]
    by_branch: tuple[Row, ...]
    by_segment: tuple[Row, ...]
    by_channel: tuple[Row, ...]
    by_placement: tuple[Row, ...]
    movers: tuple[Row, ...]
    losses: Losses
    off_policy: OffPolicy

    @property
    def unchanged(self) -> bool:
        """Whether nothing at all is different after."""
        tables = (self.by_action, self.by_segment, self.by_placement)
        return (
            self.total.before == self.total.after
            and self.reach_before == self.reach_after
            and not self.losses.decisions
            and all(row.before == row.after for table in tables for row in table)
        )

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, fit for JSON, shares and movements worked out."""
        plain: dict[str, Any] = {}
        for one in fields(self):
            found = getattr(self, one.name)
            if isinstance(found, Row):
                plain[one.name] = _plain(found)
            elif isinstance(found, tuple):
                plain[one.name] = [_plain(row) for row in found]
            else:
                plain[one.name] = (
                    asdict(found) if isinstance(found, Reach | Losses | OffPolicy) else found
                )
        return {**plain, "unchanged": self.unchanged}


def _plain(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "before": {**asdict(row.before), "no_action_share": row.before.no_action_share},
        "after": {**asdict(row.after), "no_action_share": row.after.no_action_share},
        "moved": row.moved,
    }
