"""Compiling plans: in this process, or in a child, so that requests have the interpreter.

A large plan takes seconds to compile, all of them with the interpreter in hand: a thread that
compiles halves what a process decides meanwhile. So a process that answers requests lets a child
compile, which is started for it, kept while more is to be compiled, and ended soon after.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock, Timer
from typing import Protocol

import msgspec

from nba.decision.artifact import unpack_plan
from nba.decision.handing import read_plan
from nba.decision.plan import Plan, compile_plan
from nba.errors import CorruptRecordError
from nba.features import StoredLayout

LARGE_BYTES = 500_000
"""Artifacts from this size on are compiled in the child: starting one takes a second or two."""

IDLE_SECONDS = 30.0
"""How long the child waits for more to compile."""

LIMIT_SECONDS = 120.0
"""How long the child may take."""

_logger = logging.getLogger(__name__)


class Task(msgspec.Struct, frozen=True, array_like=True):
    """What a child is told to compile; ``layouts`` are packed."""

    artifact: bytes
    digest: str
    layouts: bytes


class Compiler(Protocol):
    """Compiles an artifact to a plan that reads profiles of earlier layouts too."""

    def __call__(self, artifact: bytes, digest: str, layouts: Sequence[StoredLayout]) -> Plan:
        """Compile; raises what :func:`compile_here` does."""
        ...


def compile_here(artifact: bytes, digest: str, layouts: Sequence[StoredLayout]) -> Plan:
    """Compile in this process.

    Raises :class:`~nba.errors.CorruptRecordError` where the artifact cannot be read, and
    :class:`~nba.errors.DefinitionError` where its parts do not fit together.
    """
    plan = compile_plan(unpack_plan(artifact), digest=digest)
    # An earlier plan, rolled back to, meets profiles of layouts that came after it.
    features = plan.features.with_previous(layouts)
    return plan.with_features(features, features)


class ChildCompiler:
    """A :class:`Compiler` whose large plans a child process compiles; one at a time.

    Where the child fails, in whatever way, this process compiles itself: that either works, or says
    what is wrong.

    Parameters
    ----------
    large_bytes
        From which size on an artifact is large.
    idle_seconds
        How long the child waits for more.
    limit_seconds
        How long it may take before it is given up.

    """

    def __init__(
        self,
        *,
        large_bytes: int = LARGE_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._large_bytes = large_bytes
        self._idle_seconds = idle_seconds
        self._limit_seconds = limit_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._idle: Timer | None = None
        self._lock = Lock()

    def __call__(self, artifact: bytes, digest: str, layouts: Sequence[StoredLayout]) -> Plan:
        """Compile, in the child where the artifact is large."""
        if len(artifact) < self._large_bytes:
            return compile_here(artifact, digest, layouts)
        kept = msgspec.msgpack.encode([layout.to_builtins() for layout in layouts])
        with self._lock:
            try:
                return self._compiled(msgspec.msgpack.encode(Task(artifact, digest, kept)))
            except (OSError, EOFError, CorruptRecordError, pickle.UnpicklingError) as error:
                self._end()
                _logger.warning("plan %s is compiled here, a child could not: %s", digest, error)
        return compile_here(artifact, digest, layouts)

    @property
    def pid(self) -> int | None:
        """The child's process id, as long as there is one."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _compiled(self, task: bytes) -> Plan:
        if self._idle is not None:
            self._idle.cancel()
        if self._child is None or self._child.poll() is not None:
            command = [sys.executable, "-m", "nba.decision.compiler", str(os.getpid())]
            self._child = subprocess.Popen(  # noqa: S603  # this interpreter, and our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise OSError("the child has no pipes")
        patience = Timer(self._limit_seconds, child.kill)
        patience.daemon = True
        patience.start()
        try:
            child.stdin.write(len(task).to_bytes(8, "little") + task)
            child.stdin.flush()
            plan = read_plan(child.stdout)  # type: ignore[arg-type]  # it is a buffered reader
        finally:
            patience.cancel()
        self._idle = Timer(self._idle_seconds, self.close)
        self._idle.daemon = True
        self._idle.start()
        return plan

    def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    _logger.debug("the child's pipe was broken")
        child.wait()
