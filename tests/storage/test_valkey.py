"""The embedded server: what it acknowledged is there after any end, and never two on one folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from nba.errors import UnavailableError
from nba.storage import valkey
from nba.storage.valkey import has_ended, start_valkey


def client(port: int) -> redis.Redis:
    return redis.Redis(port=port, decode_responses=True)


@pytest.mark.parametrize("end", ["stop", "terminate"])
def test_what_was_acknowledged_is_there_again_after_a_stop_or_a_kill(tmp_path: Path, end: str):
    server = start_valkey(tmp_path)
    with client(server.port) as asking:
        for number in range(200):
            asking.set(f"key-{number}", number)
    getattr(server, end)()
    assert has_ended(server)
    again = start_valkey(tmp_path)
    with client(again.port) as asking:
        assert [asking.get(f"key-{number}") for number in range(200)] == [
            str(number) for number in range(200)
        ]
    again.stop()


def test_a_crash_is_noticed(tmp_path: Path):
    server = start_valkey(tmp_path)
    assert not has_ended(server)
    os.kill(int((tmp_path / "server.pid").read_text()), signal.SIGKILL)
    assert server._process is not None
    server._process.wait(5)
    assert has_ended(server)


def test_a_server_left_over_by_a_killed_run_is_stopped_first(tmp_path: Path):
    run = (
        "import pathlib, sys, os, signal\n"
        "from nba.storage.valkey import start_valkey\n"
        "server = start_valkey(pathlib.Path(sys.argv[1]))\n"
        "print(server.port, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", run, str(tmp_path)], capture_output=True, text=True, check=False
    )
    port = int(finished.stdout)
    leftover = int((tmp_path / "server.pid").read_text())
    with client(port) as asking:
        asking.set("kept", "1")
    server = start_valkey(tmp_path, port=port)
    if psutil.pid_exists(leftover):  # nobody reaps it in a container without an init
        assert psutil.Process(leftover).status() == psutil.STATUS_ZOMBIE
    with client(port) as asking:
        assert asking.get("kept") == "1"
    server.stop()


def test_another_process_that_took_over_the_number_is_left_alone(tmp_path: Path):
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "server.pid").write_text(f"{bystander.pid}\n")
    server = start_valkey(tmp_path)
    assert bystander.poll() is None
    server.stop()
    bystander.communicate(b"\n", timeout=5)


def test_a_port_that_is_taken_is_unavailable(tmp_path: Path):
    server = start_valkey(tmp_path / "one")
    with pytest.raises(UnavailableError, match="does not start"):
        start_valkey(tmp_path / "two", port=server.port)
    server.stop()


def test_a_port_that_another_takes_in_that_moment_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free = valkey._free_port()
        ports = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(valkey, "_free_port", lambda: next(ports))
        server = valkey.start_valkey(tmp_path)
        try:
            assert server.port == free
            assert valkey.running_url(tmp_path) == f"redis://127.0.0.1:{free}"
        finally:
            server.stop()
