"""Commands for the bandit: what it has learned, learning it again, forgetting some of it.

How ranks are looked at is in :mod:`nba.cli.positions`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from nba.bootstrap import (
    load_settings,
    open_log,
    open_runtime,
    system_clock,
    with_running_store,
)
from nba.cli.output import AsJson, console, print_json, progress_bar
from nba.cli.positions import positions
from nba.cli.stores import control_of_command
from nba.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nba.bandits import CorrectionFitter
    from nba.catalog.store import ControlStore
    from nba.decision.learned import Learned
    from nba.decision.plan import Plan
    from nba.settings import Settings
    from nba.worker.relearning import Relearned

_logger = logging.getLogger(__name__)
_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add this group."""
    group = typer.Typer(
        help="What the bandit has learned; learning it again.", no_args_is_help=True
    )
    group.command()(status)
    group.command()(rebuild)
    group.command()(reset)
    group.command()(positions)
    app.add_typer(group, name="bandit")


def fitter_if_installed() -> CorrectionFitter | None:
    """Return what fits the bandit's forests; ``None`` where LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        return None
    from nba.training.corrections import fit_correction

    return fit_correction


def status(*, as_json: AsJson = False) -> None:
    """Show what the bandit has learned under the live plan, by action."""
    from nba.decision.beside import goal_keys
    from nba.decision.learned import LearnedStates
    from nba.worker.pointing import state_key

    control = control_of_command(load_settings())
    plan = _live(control)
    kept = control.latest_snapshot(state_key(plan.source))
    if kept is None:
        raise NotFoundError("nothing has been learned under the live models yet")
    learned, _ = LearnedStates(control).open(kept, plan.source.bandit)
    state = learned.actions
    found: dict[str, Any] = {
        "plan": plan.digest,
        "snapshot": kept.sequence,
        "updates": state.updates,
        "refits": state.refits,
        "change_alarms": state.alarms,
        "actions": {
            name: {"observations": state.count(name), "forest": name in state.forests}
            for name in state.actions
        },
        "contents": {
            name: {"observations": learned.contents.count(name)}
            for name in learned.contents.actions
        },
        "goals": {
            name: {"observations": learned.goals.count(name)}
            for name in goal_keys(plan.catalog.actions)
        },
        "amounts": _amounts(plan, learned),
        "outdated_ranks": [asdict(one) for one in learned.ranks.outdated(plan.catalog.placements)],
    }
    if as_json:
        print_json(found)
        return
    console.print(
        f"plan {plan.digest}, snapshot {kept.sequence}: learned from {state.updates:,} choices, "
        f"{state.refits} refits, {state.alarms} change alarms"
    )
    table = Table(box=None)
    table.add_column("action")
    table.add_column("observations", justify="right")
    table.add_column("forest")
    seen = sorted(found["actions"].items(), key=lambda item: -item[1]["observations"])
    for name, about in seen[:_SHOWN]:
        table.add_row(name, f"{about['observations']:,.1f}", "yes" if about["forest"] else "")
    console.print(table)
    if len(seen) > _SHOWN:
        console.print(f"and {len(seen) - _SHOWN} more; --json shows all")
    for kind in ("contents", "goals", "amounts"):
        _print_seen(kind.removesuffix("s"), found[kind])
    _print_outdated(found["outdated_ranks"])


def _amounts(plan: Plan, learned: Learned) -> dict[str, dict[str, float]]:
    """Return what desired outcomes of actions are believed to bring, where that is learned."""
    from nba.domain.catalog import ValueFrom

    beside = plan.beside(learned)
    return {
        action.id: {
            "observations": learned.amounts.count(action.id),
            "value": beside.value(action),
        }
        for action in plan.catalog.actions
        if action.value_from is ValueFrom.OUTCOMES
    }


def _print_seen(kind: str, found: Mapping[str, Mapping[str, float]]) -> None:
    """Print what was observed most of something; nothing where there is none."""
    if not found:
        return
    table = Table(box=None)
    table.add_column(kind)
    columns = list(next(iter(found.values())))
    for column in columns:
        table.add_column(column, justify="right")
    seen = sorted(found.items(), key=lambda item: -item[1]["observations"])
    for name, about in seen[:_SHOWN]:
        table.add_row(name, *[f"{about[column]:,.2f}" for column in columns])
    console.print(table)


def _print_outdated(ranks: Sequence[Mapping[str, Any]]) -> None:
    """Print which ranks were learned with other position effects than the live ones, if any."""
    for one in ranks:
        console.print(
            f"{one['placement']}, rank {one['rank']}: {one['choices']:,} of {one['of']:,} choices "
            f"were learned with a position effect of {one['learned_with']:g}; it is "
            f"{one['now']:g} now"
        )
    if ranks:
        console.print(
            "`nba bandit rebuild` learns them again with the effects that are live; leave them "
            "where ranks were looked at differently then"
        )


def rebuild(*, as_json: AsJson = False) -> None:
    """Teach a fresh bandit from the log; the service goes on from it within seconds."""
    settings = load_settings()
    with progress_bar(quiet=as_json) as bar:
        bar.add_task("learning from the log", total=None)
        done = asyncio.run(_rebuilt(settings))
    if as_json:
        print_json(asdict(done))
        return
    console.print(
        f"learned from {done.updates:,} choices of {len(done.actions)} actions; "
        f"snapshot {done.snapshot} is saved, and the worker goes on from it"
    )


async def _rebuilt(settings: Settings) -> Relearned:
    """Rebuild from ledger and log, or from the log alone where the store is not running."""
    from nba.decision.plans import PlanRepository
    from nba.worker.records import Records
    from nba.worker.relearning import rebuild as rebuild_state

    control, log = control_of_command(settings), open_log(settings)
    plan = _live(control)
    async with AsyncExitStack() as stack:
        records = None
        try:
            running = with_running_store(settings)
            runtime = await stack.enter_async_context(open_runtime(running))
            records = Records(runtime.ledger, PlanRepository(control))
        except UnavailableError:
            _logger.warning("the store is not running: learning what is in the log")
        return await rebuild_state(
            control,
            log,
            plan,
            records=records,
            partitions=settings.partitions,
            clock=system_clock,
            fitter=fitter_if_installed(),
        )


def reset(
    action: Annotated[list[str] | None, typer.Option(help="An action's id; repeatable.")] = None,
    term: Annotated[
        list[str] | None, typer.Option(help="All actions with this term or below; repeatable.")
    ] = None,
    *,
    warm: Annotated[bool, typer.Option(help="Start where their kin have got to.")] = True,
    as_json: AsJson = False,
) -> None:
    """Forget what was learned of some actions, as after their offer has changed."""
    from nba.worker.relearning import reset as reset_state

    control = control_of_command(load_settings())
    done = reset_state(
        control,
        _live(control),
        actions=tuple(action or ()),
        terms=tuple(term or ()),
        warm=warm,
        clock=system_clock,
    )
    if as_json:
        print_json(asdict(done))
        return
    console.print(
        f"forgot what was learned of {', '.join(done.actions)}; "
        f"snapshot {done.snapshot} is saved, and the worker goes on from it"
    )


def _live(control: ControlStore) -> Plan:
    from nba.decision.plans import PlanPointer, PlanRepository

    current = control.current()
    if current is None:
        raise NotFoundError("no plan is live yet; `nba publish` makes a project's files live")
    return PlanRepository(control).get(PlanPointer(current))
