"""The child that compiles plans for a process that answers requests.

Started as ``python -m nba.decision.compiler PARENT``; reads tasks from standard input and writes
plans to standard output. It ends with its input, and with its parent even where that was killed.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from typing import BinaryIO

import msgspec

from nba.decision.compiling import Task, compile_here
from nba.decision.handing import write_plan
from nba.features import StoredLayout

_LOOK_SECONDS = 0.5
_NICER = 5
_LENGTH_BYTES = 8


def main() -> None:
    """Compile what is asked for, until nobody asks any more."""
    parent = int(sys.argv[1])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.nice(_NICER)
    gc.disable()  # what is compiled lives until it is handed over, and the process not much longer
    # What a library might print must not get between the plans.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while (task := _task(sys.stdin.buffer)) is not None:
        layouts = [
            StoredLayout.from_builtins(layout) for layout in msgspec.msgpack.decode(task.layouts)
        ]
        write_plan(compile_here(task.artifact, task.digest, layouts), answers)
        del layouts, task
        gc.collect()


def _task(file: BinaryIO) -> Task | None:
    length = file.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    return msgspec.msgpack.decode(file.read(int.from_bytes(length, "little")), type=Task)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
