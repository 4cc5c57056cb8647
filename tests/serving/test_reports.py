"""Reports over HTTP, on the log as it is on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from in_process import running, until
from shop import write_project

from nba.bootstrap import load_settings, open_log, open_runtime, system_clock
from nba.decision.project import load_project
from nba.measurement.shadow import OTHERS, report_shadow
from nba.worker.pointing import Pointing
from nba.worker.publisher import Publisher
from nba.worker.runner import Worker

COAT = {"placement": "web.hero", "action": "coat", "probability": 0.5}


def test_shadow_decisions_and_their_outcomes_reach_the_report(valkey: str, tmp_path: Path) -> None:
    settings = load_settings(
        project_dir=write_project(tmp_path / "project"),
        data_dir=tmp_path / "data",
        redis_url=valkey,
        key_prefix=tmp_path.name,
    )

    async def story(api: httpx.AsyncClient) -> dict[str, Any]:
        for customer in ("anna", "bert"):
            body = {"customer_id": customer, "placements": [{"id": "web.hero"}], "mode": "shadow"}
            reply = await api.post("/v1/decisions", json={**body, "taken": [COAT]})
            assert reply.status_code == 200, reply.text
        outcome = {
            "outcome_id": "o1",
            "decision_id": reply.json()["decision_id"],
            "kind": "click",
            "value": 12.5,
        }
        reply = await api.post("/v1/outcomes", json=outcome)
        assert reply.json()["results"][0]["status"] == "recorded"
        async with open_runtime(settings) as runtime:
            worker = Worker(
                runtime.ledger,
                open_log(settings),
                runtime.control,
                runtime.repository,
                clock=runtime.clock,
            )
            while await worker.step():
                pass
            await worker.flush()
        reply = await api.get("/v1/reports/shadow")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def main() -> dict[str, Any]:
        async with open_runtime(settings) as runtime:
            publisher = Publisher(runtime.control, None, alias="champion", clock=system_clock)
            publisher.publish(load_project(settings.project_dir), note="", author="tests")
            await Pointing(runtime.ledger, runtime.control).at_current()
        async with running(settings) as api:
            await until(lambda: _ready(api))
            return await story(api)

    (hero,) = asyncio.run(main())["placements"]
    (measured,) = report_shadow(open_log(settings)).placements
    assert (hero["placement"], hero["decisions"], hero["resolved"]) == ("web.hero", 2, 1)
    assert (hero["agreement"], hero["probabilities"]) == (measured.agreement, "shadow")
    assert hero["rows"][0]["name"] == OTHERS
    assert hero["rows"][0]["ips"]["value"] == 12.5
    assert all(row["refused"] for row in hero["rows"][1:])


async def _ready(api: httpx.AsyncClient) -> bool:
    return (await api.get("/readyz")).is_success
