"""Every route is an endpoint that says what it needs, and is documented with just that."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from in_process import running
from shop import write_project
from starlette.routing import Mount, Route

from nba.access import Permission
from nba.bootstrap import load_settings
from nba.serving.endpoint import PUBLIC, Endpoint
from nba.serving.openapi import openapi_document

DOCUMENTATION = {"/openapi.json", "/docs", "/docs-static"}
PUBLIC_PATHS = {"/healthz", "/readyz"}


@pytest.fixture
def routes(valkey: str, tmp_path: Path) -> dict[str, Endpoint]:
    """Return the endpoints of a running API by path, and check that there is nothing else."""
    settings = load_settings(
        project_dir=write_project(tmp_path / "project"),
        data_dir=tmp_path / "data",
        redis_url=valkey,
        key_prefix=tmp_path.name,
    )

    async def started() -> dict[str, Endpoint]:
        async with running(settings) as client:
            application = client._transport.app
            found = {}
            for route in application._app.router.routes:
                assert isinstance(route, Route | Mount), route
                if route.path in DOCUMENTATION:
                    continue
                assert isinstance(route, Route)
                assert isinstance(route.app, Endpoint), route.path
                found[re.sub(r":\w+}", "}", route.path)] = route.app
            for path, endpoint in application.direct.items():
                assert found[path] is endpoint
            return found

    return asyncio.run(started())


def test_every_route_needs_a_permission_but_those_that_answer_everybody(
    routes: dict[str, Endpoint],
) -> None:
    needs = {
        (path, method): operation.needs
        for path, endpoint in routes.items()
        for method, operation in endpoint.operations.items()
    }
    assert {path for (path, _), need in needs.items() if need is PUBLIC} == PUBLIC_PATHS
    assert {need for need in needs.values() if need is not PUBLIC} == set(Permission)


def test_every_route_is_documented_with_what_it_needs(routes: dict[str, Endpoint]) -> None:
    served = {
        (path, method.lower()): operation.needs and str(operation.needs)
        for path, endpoint in routes.items()
        for method, operation in endpoint.operations.items()
    }
    documented = {
        (path, method): operation.get("x-needs")
        for path, operations in openapi_document()["paths"].items()
        for method, operation in operations.items()
    }
    assert served == documented
