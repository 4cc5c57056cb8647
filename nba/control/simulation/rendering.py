"""A simulation for people: a few lines, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from rich.table import Table

from nba.control.simulation.report import (
    Figures,
    OffPolicy,
    Row,
    SimulationReport,
    ValueDifference,
    ValueRow,
)

_ARROW = " ▸ "
_LEAST = 0.05
"""Fewer offers, or less value, are printed as none."""

_NAMED = 5
"""How many customers are named in the summary."""


def summary(report: SimulationReport, *, currency: str) -> list[str]:
    """Return what there is to say in a sentence each; ``currency`` is that of values."""
    total, losses = report.total, report.losses
    lines = [
        (
            f"{report.decisions:,} decisions of {report.customers:,} customers under plan "
            f"{report.before} and under {report.after}"
        )
    ]
    if report.unchanged:
        lines.append("Nothing would change.")
    lines += [
        (
            f"Offers: {_pair(total, 'volume')}, expected value {_pair(total, 'value')} {currency}, "
            f"no_action {_share(total.before)}{_ARROW}{_share(total.after)}"
        ),
        (
            f"Customers with an option: {report.reach_before.with_options:,}{_ARROW}"
            f"{report.reach_after.with_options:,}; expected to get an offer: "
            f"{report.reach_before.reached:,.1f}{_ARROW}{report.reach_after.reached:,.1f}"
        ),
        (
            f"Lose every option: {losses.decisions:,} decisions ({losses.share_of_decisions:.1%}), "
            f"{losses.customers:,} customers ({losses.share_of_customers:.1%})"
        ),
    ]
    if losses.sample:
        lines.append(f"Among them: {', '.join(losses.sample[:_NAMED])}")
    for name, count in report.lacking.items():
        lines.append(f"Feature {name} was not recorded: missing in {count:,} decisions")
    for name, count in report.gone.items():
        lines.append(f"Placement {name} is gone: {count:,} decisions asked for it")
    if report.left_out:
        lines.append(f"{report.left_out:,} records could not be replayed and are left out")
    return lines


def tables(report: SimulationReport, *, currency: str) -> Iterator[Table]:
    """Yield the tables that have rows."""
    for title, rows in (
        ("What moves most", report.movers),
        ("By placement", report.by_placement),
        ("By channel", report.by_channel),
        ("By branch", report.by_branch),
        ("By segment", report.by_segment),
        ("By action", report.by_action),
    ):
        shown = [row for row in rows if _is_worth_a_line(row)]
        if shown:
            yield _figures(title, shown, currency)
    if report.losses.reasons:
        yield _losses(report)
    yield from value_tables(report.off_policy, currency=currency)


def _figures(title: str, rows: Iterable[Row], currency: str) -> Table:
    table = _table(title, "", "offers", "change", f"value {currency}", "no_action")
    for row in rows:
        has_slots = row.before.slots or row.after.slots
        shares = f"{_share(row.before)}{_ARROW}{_share(row.after)}" if has_slots else ""
        table.add_row(
            row.name, _pair(row, "volume"), f"{row.moved:+,.1f}", _pair(row, "value"), shares
        )
    return table


def _losses(report: SimulationReport) -> Table:
    table = _table("What closes it for those who lose every option", "policy", "decisions")
    table.add_column("why")
    for reason in report.losses.reasons:
        name = reason.policy or reason.code
        table.add_row(name, f"{reason.decisions:,}", reason.sentence)
    return table


def value_tables(found: OffPolicy, *, currency: str) -> Iterator[Table]:
    """Yield what both plans would have earned, what is refused and why, and the difference."""
    title = f"Value per decision, from {found.decisions:,} logged rewards ({currency})"
    if found.refused:
        table = _table(title, "")
        table.add_row(f"refused: {found.refused}")
        yield table
        return
    table = _table(title, "policy", "estimator", "value", "95 %", "effective sample")
    for row in found.rows:
        value, interval = _estimate(row)
        table.add_row(
            row.policy, row.estimator, value, interval, f"{row.effective_sample_size:,.0f}"
        )
    yield table
    refusals = {row.policy: row.refused for row in found.rows if row.refused}
    if refusals:
        table = _table("Why a value is refused", "policy")
        table.add_column("reason")
        for policy, reason in refusals.items():
            table.add_row(policy, reason)
        yield table
    table = _table("After less before", "estimator", "difference", "95 %", "finding")
    for difference in found.differences:
        table.add_row(difference.estimator, *_estimate(difference), difference.finding)
    yield table


def _estimate(row: ValueRow | ValueDifference) -> tuple[str, str]:
    value = row.value if isinstance(row, ValueRow) else row.difference
    if value is None or row.low is None or row.high is None:
        return "refused", ""
    return f"{value:,.4f}", f"{row.low:,.4f} to {row.high:,.4f}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for place, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if place else "left"
        table.add_column(heading, justify=justify)
    return table


def _is_worth_a_line(row: Row) -> bool:
    """Whether a row has anything that is not printed as nothing."""
    sides = (row.before, row.after)
    return any(side.slots or side.volume >= _LEAST or abs(side.value) >= _LEAST for side in sides)


def _pair(row: Row, name: Literal["volume", "value"]) -> str:
    before, after = (getattr(figures, name) for figures in (row.before, row.after))
    places = 2 if name == "value" else 1
    return f"{before:,.{places}f}{_ARROW}{after:,.{places}f}"


def _share(figures: Figures) -> str:
    return f"{figures.no_action_share:.1%}"
