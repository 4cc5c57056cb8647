"""Other CEL evaluators in an environment and a process of their own, spoken to line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parents[1] / "peers"
ENVIRONMENT = Path(__file__).parents[1] / ".peers" / "cel"
REQUIREMENTS = PEERS / "cel_constraints.txt"


class PeerFailedError(Exception):
    """The peer cannot be installed, or answered with an error; the message says why."""


def install() -> Path:
    """Return the Python of the peers' environment, made first where it is not there yet."""
    python = ENVIRONMENT / "bin" / "python"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    stamp = ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print("installing other CEL evaluators into an environment of their own")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerFailedError(f"CEL evaluators cannot be installed: {done.stderr[-400:]}")
    (ENVIRONMENT.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return python


class CelProcess:
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
def cel_process() -> Iterator[CelProcess]:
    """Run the peer while in context."""
    command = [str(install()), str(PEERS / "cel_peer.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield CelProcess(process)
        finally:
            process.kill()
