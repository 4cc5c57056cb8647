"""The process tree: restarted where it fell, on the same ports, and ended to the last process."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from nba.bootstrap import load_settings
from nba.errors import UnavailableError
from nba.serving import supervisor
from nba.serving.supervisor import Child, Supervisor
from nba.storage.valkey import has_ended, start_valkey

FAMILY = [
    sys.executable,
    "-c",
    (
        "import subprocess, sys, time; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "print('ready', flush=True); time.sleep(600)"
    ),
]


def until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def tree(tmp_path: Path) -> Supervisor:
    """Build a supervisor of nothing yet."""
    return Supervisor(load_settings(data_dir=tmp_path, mlflow_port=0, port=0))


def test_a_taken_port_is_told_with_the_setting_to_change(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for settings, variable in (
            (load_settings(port=port, data_dir=tmp_path, mlflow_port=0), "NBA_PORT"),
            (load_settings(port=0, data_dir=tmp_path, mlflow_port=port), "NBA_MLFLOW_PORT"),
        ):
            with pytest.raises(UnavailableError, match=f"{port} .* set {variable} to another"):
                Supervisor(settings).start()
    assert not (tmp_path / "valkey").exists(), "nothing was started before looking"


def test_a_child_that_ends_is_started_again_and_the_longer_it_fails_the_later(tree: Supervisor):
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    child = Child("worker", command, environment=dict(os.environ))
    tree._children.append(child)
    child.start()
    starts = []
    deadline = time.monotonic() + 2.2
    while time.monotonic() < deadline:
        before = child.restarts
        tree.tend()
        if child.restarts > before:
            starts.append(time.monotonic())
        time.sleep(0.01)
    tree.stop()
    waits = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert 2 <= len(starts) <= 4, "after 0.2, 0.5 and 1 second"
    assert waits == sorted(waits)


def test_a_crashed_store_comes_back_on_its_port_with_its_data(tree: Supervisor, tmp_path: Path):
    server = start_valkey((tmp_path / "valkey").resolve())
    tree._valkey, port = server, server.port
    with redis.Redis(port=port) as client:
        client.set("kept", "1")
    tree.tend()
    assert tree._valkey is server, "a healthy one is left alone"
    os.kill(int((tmp_path / "valkey" / "server.pid").read_text()), signal.SIGKILL)
    until(lambda: has_ended(server))
    tree.tend()
    assert tree._valkey is not server
    assert tree._valkey.port == port
    with redis.Redis(port=port) as client:
        assert client.get("kept") == b"1"
    tree.stop()


def test_a_store_that_cannot_start_yet_is_tried_again(tree: Supervisor, tmp_path: Path, caplog):
    server = start_valkey((tmp_path / "valkey").resolve())
    tree._valkey, port = server, server.port
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", port))
        thief.listen()
        tree.tend()
        assert "trying again" in caplog.text
    tree.tend()
    assert not has_ended(tree._valkey)
    tree.stop()


def test_stopping_ends_children_and_what_they_started(tree: Supervisor):
    child = Child("api-0", FAMILY, environment=dict(os.environ))
    tree._children.append(child)
    child.start()
    assert child.process is not None
    pid = child.process.pid
    until(lambda: len(psutil.Process(pid).children()) == 1)
    (grandchild,) = psutil.Process(pid).children()
    tree.stop()
    assert child.has_ended()
    psutil.wait_procs([grandchild], timeout=5)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_child_that_ignores_the_wish_to_stop_is_killed(
    tree: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "_STOP_SECONDS", 0.3)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(600)"
    )
    said = tmp_path / "said"
    command = [sys.executable, "-c", deaf]
    child = Child("worker", command, environment=dict(os.environ), log_file=said)
    tree._children.append(child)
    child.start()
    until(lambda: "deaf" in said.read_text())
    tree.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path):
    script = (
        "import os, sys, time\n"
        "from nba.serving.supervisor import Child\n"
        "child = Child('worker', [sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        "              environment=dict(os.environ))\n"
        "child.start()\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
