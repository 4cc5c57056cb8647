"""Other contextual bandits on the same rounds, in an environment and a process of their own.

How to use it::

    from benchmarks.bandits.peers import PEERS, Job, run_peer

    job = Job.of_labels(X, labels, orders)  # reward 1 for the right class, 0 for any other
    job = Job(X, rewards, orders, seed=7)  # or any (n, K) matrix of what each action would earn
    result = run_peer("vw_squarecb", job)
    1.0 - result.rewards.mean()  # progressive validation loss

``X`` is ``(n, d)`` float and handed over as it is: standardize it before, or not, for all alike.
``orders`` is ``(orders, rounds)`` of row numbers of ``X``: each is one run of a fresh learner,
which sees row ``orders[i, t]`` in round ``t``, chooses, and learns the reward of its choice alone
before the next round. The draws of order ``i`` come from ``seed + i``. ``Result.rewards`` is
``(orders, rounds)``, what was earned in every round; ``Result.seconds`` the processor seconds of
all orders, without starting and reading. ``order`` of the second call below runs one order, so
that runs can be interleaved::

    with peers(job) as running:
        rewards, seconds = running.run("vw_squarecb", order=0)
        running.time("gittins", first=0, rounds=100)  # seconds of each round, (100,)

What a peer earns is a function of the job, its parameters and its version alone, so an order once
run is kept under ``benchmarks/.peers/kept`` and read back; remove the folder to run it again.
Seconds are then those of the first time; :meth:`Peers.time` always measures.

The first call installs ``benchmarks/peers/bandit_constraints.txt`` (a minute). Names and what they
stand for are :data:`PEERS`. Every peer runs on one thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.peer_process import ENVIRONMENTS, PeerProcess, peer_process
from benchmarks.peer_process import PEERS as SCRIPTS

PEERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "vw_squarecb": ("vw", {"arguments": "--squarecb"}),
    "vw_squarecb_tuned": ("vw", {"arguments": "--squarecb --gamma_scale 30 -l 1", "shift": True}),
    "vw_cover": ("vw", {"arguments": "--cover 4 --nounif"}),
    "vw_cover_tuned": ("vw", {"arguments": "--cover 4 --nounif --psi 0.1"}),
    "vw_epsilon": ("vw", {"arguments": "--epsilon 0.05"}),
    "vw_regcb": (
        "vw",
        {"arguments": "--regcbopt --cb_min_cost {low} --cb_max_cost {high}"},
    ),
    "mabwiser_linucb": ("mabwiser", {"alpha": 1.0}),
    "gittins": ("gittins", {"bits": 18}),
}
"""By name: the library, and how it is set. What is not said is the library's default.

Cover does without mixing in uniform choices, which cost it 2 to 12 points of loss on the tables
tried. Vowpal Wabbit's own default costs are minus the rewards; ``shift`` makes them 0 and more.
"""


_KEPT = ENVIRONMENTS / "kept"


@dataclass(frozen=True)
class Job:
    """Rounds to play: ``X`` (n, d), ``rewards`` (n, K), ``orders`` (orders, rounds) of rows."""

    X: NDArray[np.float64]
    rewards: NDArray[np.float64]
    orders: NDArray[np.int64]
    seed: int = 0

    @classmethod
    def of_labels(cls, X: ArrayLike, labels: ArrayLike, orders: ArrayLike, seed: int = 0) -> Job:
        """Return the job of naming each row's class; ``labels`` (n,) are numbered from 0."""
        known = np.asarray(labels, dtype=np.int64)
        return cls(
            np.asarray(X, dtype=np.float64),
            np.eye(int(known.max()) + 1)[known],
            np.asarray(orders, dtype=np.int64),
            seed,
        )


@dataclass(frozen=True)
class Result:
    """What was earned, ``(orders, rounds)``, and the processor seconds of all of it."""

    rewards: NDArray[np.float64]
    seconds: float


class Peers:
    """The peers' process with one job loaded."""

    def __init__(self, process: PeerProcess, job: Job) -> None:
        self._process = process
        self._job = job

    def run(self, name: str, order: int) -> tuple[NDArray[np.float64], float]:
        """Return one order's rewards, ``(rounds,)``, and its processor seconds."""
        library, parameters = PEERS[name]
        path = _KEPT / f"{self._fingerprint(name, order)}.npz"
        if path.exists():
            with np.load(path) as kept:
                return kept["rewards"], float(kept["seconds"])
        answer = self._process.ask("run", learner=library, order=order, parameters=parameters)
        rewards, seconds = np.array(answer["rewards"]), float(answer["seconds"])
        _KEPT.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(whole, rewards=rewards, seconds=seconds)
        whole.replace(path)
        return rewards, seconds

    def _fingerprint(self, name: str, order: int) -> str:
        """Return what stands for everything that one order's rewards follow from."""
        job = self._job
        digest = hashlib.sha256(json.dumps([PEERS[name], order, job.seed]).encode())
        for script in ("bandit_peer.py", "bandit_constraints.txt"):
            digest.update((SCRIPTS / script).read_bytes())
        for array in (job.X, job.rewards, job.orders[order]):
            digest.update(repr((array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"{name}-{digest.hexdigest()[:32]}"

    def time(self, name: str, first: int, rounds: int) -> NDArray[np.float64]:
        """Go on with order 0 from its ``first`` round; return the seconds of each, (rounds,)."""
        library, parameters = PEERS[name]
        answer = self._process.ask(
            "time", learner=library, parameters=parameters, first=first, rounds=rounds
        )
        return np.array(answer["seconds"])


@contextmanager
def peers(job: Job) -> Iterator[Peers]:
    """Run the peers' process on a job while in context."""
    with peer_process("bandit") as process, tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "job.npz"
        np.savez(path, X=job.X, rewards=job.rewards, orders=job.orders, seed=job.seed)
        process.ask("load", path=str(path))
        yield Peers(process, job)


def run_peer(name: str, job: Job) -> Result:
    """Run every order of a job with the peer of that name."""
    with peers(job) as running:
        runs = [running.run(name, order) for order in range(len(job.orders))]
    return Result(np.array([rewards for rewards, _ in runs]), sum(s for _, s in runs))
