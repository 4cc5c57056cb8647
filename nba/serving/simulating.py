"""``/v1/changes/{id}/simulate``: recorded decisions replayed under a change set.

It runs in a process of its own (:mod:`nba.serving.apart`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

import msgspec

from nba.access import Permission
from nba.bodies import Identifier, Moment, parse
from nba.bootstrap import LIVE, open_log, open_runtime
from nba.control.opening import open_changes
from nba.control.service import ChangeService
from nba.domain.clock import from_datetime
from nba.errors import NbaError
from nba.serving.apart import Apart
from nba.serving.endpoint import Call, Operation
from nba.serving.problems import Reply, problem
from nba.settings import Settings

MOST_DECISIONS = 20_000
"""Decisions replayed for one answer; `nba` replays more."""


class SimulationBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/changes/{id}/simulate``; ``since`` is inclusive, ``until`` is not."""

    decisions: Annotated[int, msgspec.Meta(ge=1, le=MOST_DECISIONS)] = 2_000
    since: Moment | None = None
    until: Moment | None = None
    branches: Identifier = "product"
    depth: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1


class SimulationEndpoints:
    """Handler for simulations."""

    def __init__(self, settings: Settings, service: ChangeService) -> None:
        self._settings = settings
        self._service = service
        self._apart = Apart("simulation")

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return what is answered, by path and method."""
        handler = Operation(Permission.SIMULATE, self.simulate)
        return {"/v1/changes/{change_id}/simulate": {"POST": handler}}

    async def simulate(self, call: Call) -> Reply:
        """Answer ``POST /v1/changes/{id}/simulate``; 429 while another one runs."""
        body = parse(call.body or b"{}", SimulationBody)
        change = await asyncio.to_thread(self._service.get, call.path["change_id"])
        return await self._apart.run(partial(_simulated, self._settings, change.id, body))


def _simulated(settings: Settings, change_id: str, body: SimulationBody) -> Reply:
    """Simulate; whatever goes wrong is answered here, as errors do not pass between processes."""
    try:
        return Reply(msgspec.json.encode(asyncio.run(_report(settings, change_id, body))))
    except NbaError as error:
        return problem(error)


async def _report(settings: Settings, change_id: str, body: SimulationBody) -> dict[str, Any]:
    from nba.control.simulation import Branches, simulate
    from nba.control.simulation_source import sample_decisions

    async with open_runtime(settings) as runtime:
        before, after = open_changes(settings, runtime.control).plans(change_id)
        sample = await sample_decisions(
            open_log(settings),
            runtime.ledger,
            runtime.repository,
            source=LIVE,
            size=body.decisions,
            since_ms=None if body.since is None else from_datetime(body.since),
            until_ms=None if body.until is None else from_datetime(body.until),
        )
        report = simulate(
            before,
            after,
            sample.records,
            rewards=sample.rewards,
            recorded_under=sample.recorded_under,
            branches=Branches(dimension=body.branches, depth=body.depth),
        )
    return {"available": sample.available, "lost": sample.lost, **report.to_builtins()}
