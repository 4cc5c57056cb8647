"""One API process: uvicorn on uvloop and httptools, its socket shared with its siblings."""

from __future__ import annotations

import socket
import sys

import uvicorn

from nba.access.rules import require_access
from nba.bootstrap import collect_rarely
from nba.serving.app import create_app
from nba.settings import Settings

SWITCH_SECONDS = 0.0005
"""How long a thread that compiles a plan keeps a request waiting for the interpreter."""

_BACKLOG = 2_048


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun."""
    require_access(settings)
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        access_log=False,
        server_header=False,
        date_header=False,
        log_level=settings.log_level,
        timeout_graceful_shutdown=10,
    )
    listener = bind(settings)
    collect_rarely()
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.Server(config).run(sockets=[listener])


def bind(settings: Settings) -> socket.socket:
    """Return a listening socket; several processes may share its port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.api_processes > 1:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(_BACKLOG)
    return listener
