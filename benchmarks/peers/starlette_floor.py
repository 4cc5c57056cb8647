"""The floor: a bare Starlette route that reads the same body and answers the same bytes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = Path(sys.argv[2]).read_bytes()


async def decide(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


os.sched_setaffinity(0, {0})
app = Starlette(routes=[Route("/v1/decisions", decide, methods=["POST"])])
uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
