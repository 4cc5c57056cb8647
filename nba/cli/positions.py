"""``nba bandit positions``: how often each rank of a placement is looked at, from the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from nba.bootstrap import load_settings, open_log, system_clock
from nba.cli.output import AsJson, StageBar, console, print_json, progress_bar
from nba.cli.stores import control_of_command
from nba.errors import EvaluationRefusedError, NotFoundError

if TYPE_CHECKING:
    from nba.catalog.store import ControlStore
    from nba.domain.catalog import Placement
    from nba.domain.ids import PlacementId
    from nba.training.positions import InForce, PositionEstimate


def positions(
    placement: Annotated[
        str | None, typer.Argument(help="One placement; without it all that take several choices.")
    ] = None,
    *,
    outcome: Annotated[
        str | None,
        typer.Option(help="Count this kind of outcome, such as click; else the desired one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate how often each rank of a placement is looked at, relative to the first."""
    from nba.ledger.delta import moment
    from nba.training.positions import estimate_effects, shown_choices

    settings = load_settings()
    control = control_of_command(settings)
    asked = _asked(control, placement)
    found: list[dict[str, Any]] = []
    with progress_bar(quiet=as_json) as bar:
        stages = StageBar(bar)
        stages("reading the log", 0.0)
        rows = shown_choices(
            open_log(settings),
            now=moment(system_clock()),
            in_force=_in_force(control),
            outcome=outcome,
        )
        for one in asked:
            estimate, refused = None, None
            try:
                estimate = estimate_effects(rows, one.id, progress=stages)
            except EvaluationRefusedError as error:
                if placement is not None:
                    raise
                refused = str(error)
            found.append(_about(one, estimate, refused))
    if as_json:
        print_json({"outcome": outcome, "placements": found})
        return
    for number, about in enumerate(found):
        if number:
            console.print()
        _show(about)


def _asked(control: ControlStore, name: str | None) -> Sequence[Placement]:
    """Return the placements of the live plan that are asked about."""
    from nba.catalog.suggestions import nearest
    from nba.decision.artifact import unpack_plan

    current = control.current()
    artifact = None if current is None else control.plan(current)
    if artifact is None:
        raise NotFoundError("no plan is live yet; `nba publish` makes a project's files live")
    every = unpack_plan(artifact).catalog.placements
    if name is None:
        return [one for one in every if one.max_count > 1]
    named = [one for one in every if one.id == name]
    if not named:
        known = nearest(name, [one.id for one in every])
        raise NotFoundError(f"no placement {name!r} in the live plan; {known}")
    return named


def _in_force(control: ControlStore) -> InForce:
    """Return what tells the placements of a decision's plan; none where it was no plan of ours."""
    from nba.decision.artifact import unpack_plan
    from nba.decision.plans import parse_version

    @lru_cache
    def of_plan(digest: str) -> Mapping[PlacementId, Placement]:
        artifact = control.plan(digest)
        placements = () if artifact is None else unpack_plan(artifact).catalog.placements
        return {one.id: one for one in placements}

    def in_force(version: str) -> Mapping[PlacementId, Placement]:
        try:
            return of_plan(parse_version(version).digest)
        except NotFoundError:
            return {}

    return in_force


def _about(
    placement: Placement, estimate: PositionEstimate | None, refused: str | None
) -> dict[str, Any]:
    """Return what is printed of a placement; ``now`` is what each rank has in the live plan."""
    ranks = () if estimate is None else estimate.ranks
    return {
        "placement": placement.id,
        "customers": 0 if estimate is None else estimate.customers,
        "ranks": ranks,
        "left_out": () if estimate is None else estimate.left_out,
        "now": [placement.effect_at(one.rank) for one in ranks],
        "position_effects": () if estimate is None else estimate.position_effects,
        "refused": refused,
    }


def _show(about: Mapping[str, Any]) -> None:
    if about["refused"] is not None:
        console.print(about["refused"])
        return
    console.print(f"{about['placement']}: {about['customers']:,} customers")
    table = Table(box=None)
    for name in ("rank", "choices", "outcomes", "looked at", "95 % interval", "plan has"):
        table.add_column(name, justify="right")
    for one in about["ranks"]:
        interval = f"{one.low:.3f} to {one.high:.3f}" if one.rank > 1 else ""
        counts = f"{one.choices:,}", f"{one.outcomes:,}"
        now = f"{about['now'][one.rank - 1]:g}"
        table.add_row(str(one.rank), *counts, f"{one.effect:.3f}", interval, now)
    console.print(table)
    for rank in about["left_out"]:
        console.print(f"rank {rank} has too few outcomes; it goes by the rank above it")
    written = ", ".join(f"{effect:g}" for effect in about["position_effects"])
    console.print(f"position_effects: [{written}]")
