"""``/docs`` and ``/openapi.json``; the page's scripts come from this service itself."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_STATIC = "/docs-static"


def docs_routes(document: dict[str, Any]) -> list[BaseRoute]:
    """Return the routes of the API's documentation."""
    body = msgspec.json.encode(document)

    async def openapi(_: Request) -> Response:
        return Response(body, media_type="application/json")

    async def page(_: Request) -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=document["info"]["title"],
            swagger_js_url=f"{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{_STATIC}/favicon.png",
        )

    return [
        Route("/openapi.json", openapi),
        Route("/docs", page),
        Mount(_STATIC, StaticFiles(directory=str(files("fastapi_offline") / "static"))),
    ]
