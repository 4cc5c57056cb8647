"""Peers in environments and processes of their own, spoken to line by line.

``benchmarks/peers/NAME_peer.py`` reads one JSON call a line and answers with one;
``NAME_constraints.txt`` beside it pins what it is measured with. The environment is made the first
time, and again where the constraints changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(__file__).parent / ".peers"
_TAIL = 400


class PeerFailedError(Exception):
    """The peer cannot be installed, or answered with an error; the message says why."""


def install(name: str, *options: str) -> Path:
    """Return the Python of a peer's environment, made first where it is not there yet.

    ``options`` are pip's.
    """
    environment = ENVIRONMENTS / name
    requirements = PEERS / f"{name}_constraints.txt"
    python = environment / "bin" / "python"
    wanted = requirements.read_text(encoding="utf-8")
    stamp = environment / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing the peers of {requirements.name} into an environment of their own")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [*pip, *options, "-r", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerFailedError(f"{name} cannot be installed: {done.stderr[-_TAIL:]}")
    (ENVIRONMENTS / ".gitignore").write_text("*\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return python


class PeerProcess:
    """The running peer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Make one call and wait for its answer."""
        given, taken = self._process.stdin, self._process.stdout
        if given is None or taken is None:
            raise PeerFailedError("the peer has no pipes")
        given.write(json.dumps({"call": call, **arguments}) + "\n")
        given.flush()
        line = taken.readline()
        if not line:
            raise PeerFailedError(f"the peer ended during {call}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerFailedError(f"{call}: {answer['error']}")
        return answer


@contextmanager
def peer_process(name: str, *options: str, **environment: str) -> Iterator[PeerProcess]:
    """Run the peer while in context, with more variables in its environment where given."""
    command = [str(install(name, *options)), str(PEERS / f"{name}_peer.py")]
    variables = {**os.environ, **environment}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=variables
    ) as process:
        try:
            yield PeerProcess(process)
        finally:
            process.kill()
