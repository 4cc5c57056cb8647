"""A child compiles what this process would have, and whatever becomes of it, a plan is made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from shop import write_project

from nba.decision.artifact import pack_plan, version_of
from nba.decision.compiling import ChildCompiler, compile_here
from nba.decision.plan import Plan
from nba.decision.project import load_project
from nba.errors import CorruptRecordError


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_plan(load_project(write_project(tmp_path_factory.mktemp("shop"))), {})


@pytest.fixture(scope="module")
def child() -> Iterator[ChildCompiler]:
    """Return a compiler to which every artifact is large."""
    compiler = ChildCompiler(large_bytes=0)
    yield compiler
    compiler.close()


def shown(plan: Plan) -> tuple[object, ...]:
    """Return what tells one plan from another."""
    actions = {name: slot.action_ids for name, slot in plan.placements.items()}
    policies = {name: slot.guards.policies for name, slot in plan.placements.items()}
    return plan.version, actions, policies, plan.features.names, plan.history_seconds


def until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_the_child_compiles_what_this_process_would_and_is_kept(
    artifact: bytes, child: ChildCompiler
) -> None:
    here = compile_here(artifact, version_of(artifact), [])
    first = child(artifact, version_of(artifact), [])
    pid = child.pid
    assert pid is not None
    assert shown(first) == shown(here)
    assert child(artifact, "another", [here.features.layout]).digest == "another"
    assert child.pid == pid


def test_a_small_artifact_starts_no_child(artifact: bytes) -> None:
    compiler = ChildCompiler(large_bytes=len(artifact) + 1)
    assert compiler(artifact, "small", []).digest == "small"
    assert compiler.pid is None


def test_what_cannot_be_compiled_says_what_is_wrong_as_here(child: ChildCompiler) -> None:
    with pytest.raises(CorruptRecordError, match="cannot read the plan"):
        child(b"torn", "torn", [])


def test_where_the_child_was_killed_there_is_a_plan_all_the_same(
    artifact: bytes, child: ChildCompiler
) -> None:
    child(artifact, "before", [])
    killed = child.pid
    assert killed is not None
    os.kill(killed, signal.SIGSTOP)  # it takes the task, and dies of it
    psutil.Process(killed).kill()
    assert child(artifact, "after", []).digest == "after"
    assert child.pid != killed


def test_a_child_that_hangs_is_given_up(artifact: bytes) -> None:
    compiler = ChildCompiler(large_bytes=0, limit_seconds=0.01)
    assert compiler(artifact, "late", []).digest == "late"
    assert compiler.pid is None


def test_a_child_with_nothing_to_do_ends(artifact: bytes) -> None:
    others = {child.pid for child in psutil.Process().children()}
    compiler = ChildCompiler(large_bytes=0, idle_seconds=0.05)
    compiler(artifact, "once", [])
    children = psutil.Process().children()
    until(lambda: compiler.pid is None)
    until(lambda: not any(child.pid not in others and _runs(child.pid) for child in children))


def test_it_ends_with_its_parent_even_where_that_was_killed(
    artifact: bytes, tmp_path: Path
) -> None:
    kept = tmp_path / "artifact"
    kept.write_bytes(artifact)
    story = (
        "import sys, time, pathlib\n"
        "from nba.decision.compiling import ChildCompiler\n"
        "child = ChildCompiler(large_bytes=0)\n"
        "child(pathlib.Path(sys.argv[1]).read_bytes(), 'x', [])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", story, str(kept)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
