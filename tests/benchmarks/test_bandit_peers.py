"""What other bandits are asked to play is what the tables say."""

import numpy as np

from benchmarks.bandits.peers import PEERS, Job
from benchmarks.peer_process import PEERS as SCRIPTS


def test_labels_become_a_reward_of_one_for_the_right_class_alone():
    job = Job.of_labels([[0.5], [1.5], [2.5]], [2, 0, 2], [[0, 1, 2], [2, 1, 0]])
    assert job.rewards.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert job.X.shape == (3, 1)
    assert job.orders.dtype == np.int64


def test_every_peers_library_is_pinned():
    pinned = (SCRIPTS / "bandit_constraints.txt").read_text(encoding="utf-8")
    packages = {"vw": "vowpalwabbit", "mabwiser": "mabwiser", "gittins": "gittins"}
    assert {library for library, _ in PEERS.values()} == set(packages)
    assert all(f"\n{package}==" in pinned for package in packages.values())
