"""Feast in an environment of its own, spoken to line by line.

Its dependencies and ours do not agree, and a process of its own is what a user would measure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PEERS = Path(__file__).parents[1] / "peers"
ENVIRONMENT = Path(__file__).parents[1] / ".peers" / "feast"
REQUIREMENTS = PEERS / "feast_constraints.txt"
_STAMP = "installed.txt"
_TAIL = 400


class PeerUnavailableError(Exception):
    """The peer cannot be installed here; the message says why."""


class PeerFailedError(Exception):
    """The peer answered a call with an error, or ended."""


def install() -> Path:
    """Return the Python of Feast's environment, made first where it is not there yet."""
    python = ENVIRONMENT / "bin" / "python"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    stamp = ENVIRONMENT / _STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print("installing Feast into an environment of its own; this takes a minute")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerUnavailableError(f"Feast cannot be installed: {done.stderr[-_TAIL:]}")
    (ENVIRONMENT.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return python


class FeastProcess:
    """The running peer; use as a context manager. ``cores`` is what it may run on."""

    def __init__(self, python: Path, *, cores: str) -> None:
        self._process = subprocess.Popen(
            [str(python), str(PEERS / "feast_peer.py"), cores],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

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
