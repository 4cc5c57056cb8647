"""When the store is away the API says so at once, loses nothing, and goes on when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from in_process import running, until
from shop import NOW_MS, write_project

from nba.bootstrap import load_settings, open_control, system_clock
from nba.catalog.store import ControlStore
from nba.decision.plans import PlanPointer
from nba.decision.project import load_project
from nba.errors import UnavailableError
from nba.serving.app import create_app
from nba.settings import Settings
from nba.storage import Connection, Keys
from nba.storage.valkey import start_valkey
from nba.worker.publisher import Publisher

ASK = {"customer_id": "anna", "placements": [{"id": "web.hero"}]}


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Settings]:
    """Return settings of a small project on a store."""

    def build(url: str, *, timeout_seconds: float = 1.0) -> Settings:
        return load_settings(
            project_dir=write_project(tmp_path / "project"),
            data_dir=tmp_path / "data",
            redis_url=url,
            key_prefix=tmp_path.name,
            poll_seconds=0.02,
            redis_timeout_seconds=timeout_seconds,
        )

    return build


def publish(settings: Settings, **changes: tuple[str, str]) -> str:
    """Publish the project into the control store and return the plan's digest."""
    control: ControlStore = open_control(settings)
    publisher = Publisher(control, None, alias="champion", clock=system_clock)
    root = write_project(settings.project_dir, **changes)
    plan = publisher.publish(load_project(root), note="", author="test")
    control.close()
    return plan.digest


async def point(settings: Settings, digest: str) -> None:
    """Let replicas follow a plan."""
    connection = Connection(str(settings.redis_url))
    await connection.connect()
    name = Keys(prefix=settings.key_prefix).plan
    await connection.execute("SET", name, PlanPointer(digest).to_bytes())
    await connection.close()


def test_before_the_first_plan_nothing_is_decided_and_it_is_not_ready(valkey, settings_for):
    async def main() -> None:
        settings = settings_for(valkey)
        async with running(settings) as client:
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
            assert ready.json()["type"] == "urn:nba:problem:not-ready"
            asked = await client.post("/v1/decisions", json=ASK)
            assert (asked.status_code, asked.headers["retry-after"]) == (503, "1")
            assert asked.json()["type"] == "urn:nba:problem:unavailable"
            put = await client.put("/v1/customers/anna", json={"attributes": {"age": 30}})
            assert put.status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            await point(settings, publish(settings))

            async def ready_now() -> bool:
                return (await client.get("/readyz")).is_success

            await until(ready_now)
            assert (await client.post("/v1/decisions", json=ASK)).is_success

    asyncio.run(main())


def test_a_store_that_died_is_said_at_once_and_all_is_there_when_it_is_back(tmp_path, settings_for):
    server = start_valkey(tmp_path / "valkey")
    port = server.port
    settings = settings_for(f"redis://127.0.0.1:{port}")

    async def main() -> None:
        nonlocal server
        await point(settings, publish(settings))
        async with running(settings) as client:
            given = (await client.post("/v1/decisions", json={**ASK, "request_id": "r1"})).content
            decision_id = httpx.Response(200, content=given).json()["decision_id"]
            server.terminate()
            started = time.monotonic()
            requests = [
                ("POST", "/v1/decisions", ASK),
                ("POST", "/v1/outcomes", outcome(decision_id)),
                ("POST", "/v1/events", {"type": "identify", "userId": "anna", "traits": {}}),
                ("PUT", "/v1/customers/anna", {"attributes": {"age": 30}}),
                ("GET", "/v1/customers/anna", None),
                ("DELETE", "/v1/customers/anna", None),
                ("GET", f"/v1/decisions/{decision_id}", None),
                ("GET", "/readyz", None),
            ]
            for method, path, body in requests:
                reply = await client.request(method, path, json=body)
                assert reply.status_code == 503, (path, reply.text)
                assert reply.headers["retry-after"] == "1"
                assert reply.headers["content-type"] == "application/problem+json"
            assert time.monotonic() - started < 2.0
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
            server = await asyncio.to_thread(start_valkey, tmp_path / "valkey", port=port)

            async def ready_now() -> bool:
                return (await client.get("/readyz")).is_success

            await until(ready_now)
            assert (await client.get(f"/v1/decisions/{decision_id}")).content == given
            again = await client.post("/v1/decisions", json={**ASK, "request_id": "r1"})
            assert again.content == given
            reported = await client.post("/v1/outcomes", json=outcome(decision_id))
            assert reported.json()["results"][0]["status"] == "recorded"

    asyncio.run(main())
    server.stop()


def outcome(decision_id: str) -> dict[str, str]:
    return {"outcome_id": "o1", "decision_id": decision_id, "kind": "convert"}


def test_without_a_store_it_does_not_start(settings_for):
    async def main() -> None:
        app = create_app(settings_for("redis://127.0.0.1:1"))
        async with app._app.router.lifespan_context(app._app):
            pytest.fail("it started")

    with pytest.raises(UnavailableError, match="cannot be reached"):
        asyncio.run(main())


def test_plans_are_swapped_whole_under_load_and_no_request_fails(valkey, settings_for):
    """Every answer is of one plan or the other; its version says which, and its value agrees."""

    async def main() -> None:
        # All tests before this one left garbage, and collecting it all takes its time.
        settings = settings_for(valkey, timeout_seconds=20.0)
        first = publish(settings)
        second = publish(settings, catalog=("value: 20", "value: 21"))
        await point(settings, first)
        values = {first: 20.0, second: 21.0}
        seen: list[str] = []
        async with running(settings) as client:

            async def load(number: int) -> None:
                count = 0
                while len(set(seen)) < 2 or len(seen) < 200:
                    count += 1
                    body = {
                        "customer_id": f"c{number}-{count}",
                        "placements": [{"id": "web.rules"}],
                        "actions": ["coat"],
                    }
                    reply = await client.post("/v1/decisions", json=body)
                    assert reply.status_code == 200
                    answer = reply.json()
                    digest = answer["plan_version"].partition(".")[0]
                    (choice,) = answer["choices"]
                    if choice["action"] == "coat":
                        assert choice["value"] == values[digest]
                    seen.append(digest)

            async def swap() -> None:
                await asyncio.sleep(0.05)
                await point(settings, second)

            await asyncio.gather(swap(), *[load(number) for number in range(4)])
        assert seen == sorted(seen, key=lambda digest: digest == second), "never back again"

    asyncio.run(main())


def test_a_corrupt_new_plan_leaves_the_last_good_one_live(valkey, settings_for):
    async def main() -> None:
        settings = settings_for(valkey)
        good = publish(settings)
        await point(settings, good)
        control = open_control(settings)
        control.save_plan("0badc0ffee", b"no plan", note="", author="x", at_ms=NOW_MS)
        control.close()
        async with running(settings) as client:
            await point(settings, "0badc0ffee")
            await asyncio.sleep(0.2)
            ready = await client.get("/readyz")
            assert ready.json()["plan_version"] == f"{good}.0"
            assert (await client.post("/v1/decisions", json=ASK)).is_success

    asyncio.run(main())
