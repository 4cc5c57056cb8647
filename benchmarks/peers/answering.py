"""The loop every peer ends in: one JSON call a line is read, one JSON answer a line is written.

Runs under the Python of each peer's own environment, so it needs nothing but the standard library.
"""

import json
import os
import sys


def answer_calls(peer: object) -> None:
    """Make the calls that are read on ``peer`` until the input ends.

    ``PEER_CORES`` in the environment (``0,1``) says on which cores; all where it is not set.
    """
    cores = os.environ.get("PEER_CORES")
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = getattr(peer, asked.pop("call"))(**asked)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)
