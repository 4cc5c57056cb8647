"""The real service as a process tree, on a data folder and ports of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90


@dataclass
class Tree:
    """A running ``nba up``."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    environment: dict[str, str]

    def child(self, word: str) -> psutil.Process:
        """Return the child whose command line has a word."""
        return self.children(word)[0]

    def children(self, word: str) -> list[psutil.Process]:
        """Return the children whose command line has a word."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [c for c in children if word in " ".join(c.cmdline())]

    def wait_until_ready(self) -> None:
        """Wait until it can decide."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=1.0).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError("the service did not become ready")

    def stop(self) -> int:
        """Ask it to stop and return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@pytest.fixture(scope="session")
def start_tree() -> Iterator[Callable[..., Tree]]:
    """Start trees; what is left of them is killed at the end."""
    trees: list[Tree] = []

    def start(data: Path, **changes: str) -> Tree:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "NBA_PROJECT_DIR": str(ROOT),
            "NBA_DATA_DIR": str(data),
            "NBA_PORT": str(port),
            "NBA_MLFLOW_PORT": "0",
            "NBA_FLUSH_SECONDS": "0.5",
            "NBA_LOG_LEVEL": "warning",
            **changes,
        }
        command = [sys.executable, "-m", "nba", "up"]
        process = subprocess.Popen(command, env=environment)
        tree = Tree(process, f"http://127.0.0.1:{port}", data, environment)
        trees.append(tree)
        tree.wait_until_ready()
        return tree

    yield start
    for tree in trees:
        if tree.process.poll() is None:
            for child in psutil.Process(tree.process.pid).children(recursive=True):
                child.kill()
            tree.process.kill()
            tree.process.wait()
