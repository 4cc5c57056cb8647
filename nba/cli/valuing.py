"""What change sets would have earned, beside the policies that ``nba evaluate`` is asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nba.bootstrap import LIVE, with_running_store
from nba.cli.control import NOBODY, changing, simulated
from nba.cli.output import console
from nba.errors import Fault, InputError
from nba.settings import Settings

if TYPE_CHECKING:
    from nba.control.simulation import SimulationReport
    from nba.training.asked import AskedPolicy

_DECISIONS = 10_000


def simulate_change_sets(
    settings: Settings, asked: Sequence[AskedPolicy], dataset: str
) -> Mapping[str, SimulationReport]:
    """Replay recorded decisions under each change set asked about, by what was said.

    Raises :class:`InputError` where the dataset is one whose decisions were not recorded, and
    :class:`nba.errors.NotFoundError` for a change set that is not there.
    """
    named = [one for one in asked if one.kind == "changeset"]
    if named and dataset != LIVE:
        found = f"found {named[0].said!r} with dataset {dataset!r}"
        expected = f"decisions are recorded, and can be decided again, in {LIVE!r} only"
        raise InputError([Fault("--policy", found, expected)])
    reports = {}
    for one in named:
        with changing(settings) as service:
            service.get(one.name)
        running = with_running_store(settings)
        replay = simulated(running, one.name, _DECISIONS, "product", 1, NOBODY)
        reports[one.said] = asyncio.run(replay)[0]
    return reports


def print_change_sets(settings: Settings, reports: Mapping[str, SimulationReport]) -> None:
    """Print the value of each change set beside the live plan's."""
    from nba.control.simulation import value_tables

    for said, report in reports.items():
        with changing(settings) as service:
            currency = service.plans(said.partition(":")[2])[0].catalog.currency
        console.print(
            f"\n{said}: {report.decisions:,} recorded decisions under the live plan and after it, "
            "rewards less cost"
        )
        for table in value_tables(report.off_policy, currency=currency):
            console.print(table)
