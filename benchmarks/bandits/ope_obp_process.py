"""The Open Bandit Pipeline in an environment and a process of its own, spoken to line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parents[1] / "peers"
ENVIRONMENT = Path(__file__).parents[1] / ".peers" / "obp"
REQUIREMENTS = PEERS / "obp_constraints.txt"


class PeerFailedError(Exception):
    """The peer cannot be installed, or answered with an error; the message says why."""


def install() -> Path:
    """Return the Python of the peer's environment, made first where it is not there yet."""
    python = ENVIRONMENT / "bin" / "python"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    stamp = ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print("installing the Open Bandit Pipeline into an environment of its own")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, "--no-deps", "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerFailedError(f"obp cannot be installed: {done.stderr[-400:]}")
    (ENVIRONMENT.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return python


class ObpProcess:
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
def obp_process() -> Iterator[ObpProcess]:
    """Run the peer while in context."""
    command = [str(install()), str(PEERS / "obp_peer.py")]
    # On a machine that is busy, threads that wait for one another cost many times what they bring.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=alone
    ) as process:
        try:
            yield ObpProcess(process)
        finally:
            process.kill()
