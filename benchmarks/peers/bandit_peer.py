"""Other contextual bandits, one round at a time, as their users would call them.

Reads one JSON call a line and answers with one: ``load`` a job, then ``run`` a learner over one of
its orders for the reward of every round, or ``time`` a learner for the seconds of every round. A
job is an ``.npz`` of ``X`` (n, d), ``rewards`` (n, K) for every action that might be taken,
``orders`` (m, rounds) of rows, and a ``seed``.
"""

import json
from time import process_time

import gittins
import numpy as np
from answering import answer_calls
from mabwiser.mab import MAB, LearningPolicy
from vowpalwabbit import Workspace

SECONDS_PER_ROUND = 1.0


class VowpalWabbit:
    """``--cb_explore_adf``: features shared by all actions, crossed with the action's own name.

    Costs are minus the rewards, or with ``shift`` the highest reward less them, so that none is
    negative. ``arguments`` may name ``{low}`` and ``{high}``, the range of costs.
    """

    def __init__(self, job: dict, seed: int, arguments: str, shift: bool = False) -> None:
        rewards = job["rewards"]
        self.shift = float(rewards.max()) if shift else 0.0
        low, high = self.shift - rewards.max(), self.shift - rewards.min()
        chosen = arguments.format(low=low, high=high)
        self.workspace = Workspace(f"--cb_explore_adf {chosen} -q sa --quiet")
        self.actions = [f"|a a{action}" for action in range(rewards.shape[1])]
        self.rng = np.random.default_rng(seed)
        self.X = job["X"]

    def _lines(self, row: int) -> list:
        values = " ".join(f"{i}:{value:.6g}" for i, value in enumerate(self.X[row]) if value)
        return [f"shared |s {values}", *self.actions]

    def decide(self, row: int) -> int:
        self.lines = self._lines(row)
        example = self.workspace.parse(self.lines)
        scores = np.cumsum(self.workspace.predict(example))
        self.workspace.finish_example(example)
        action = int(np.searchsorted(scores, self.rng.random() * scores[-1], side="right"))
        action = min(action, len(self.actions) - 1)
        self.chance = float(scores[action] - (scores[action - 1] if action else 0.0))
        return action

    def learn(self, row: int, action: int, reward: float) -> None:
        cost = self.shift - reward
        self.lines[1 + action] = f"{action}:{cost}:{self.chance} {self.actions[action]}"
        example = self.workspace.parse(self.lines)
        self.workspace.learn(example)
        self.workspace.finish_example(example)


class MabWiser:
    """LinUCB as it comes; the first round is drawn, since it must be fitted before it predicts."""

    def __init__(self, job: dict, seed: int, alpha: float) -> None:
        self.arms = list(range(job["rewards"].shape[1]))
        self.mab = MAB(self.arms, LearningPolicy.LinUCB(alpha=alpha), seed=seed)
        self.first = int(np.random.default_rng(seed).integers(len(self.arms)))
        self.fitted = False
        self.X = job["X"]

    def decide(self, row: int) -> int:
        return int(self.mab.predict(self.X[row : row + 1])) if self.fitted else self.first

    def learn(self, row: int, action: int, reward: float) -> None:
        taught = self.mab.partial_fit if self.fitted else self.mab.fit
        taught([action], [reward], self.X[row : row + 1])
        self.fitted = True


class Gittins:
    """The engine's own model and exploration; candidates are told apart by their ids."""

    def __init__(self, job: dict, seed: int, bits: int) -> None:
        self.state = gittins.create(bits=bits, horizon=3600.0)
        self.candidates = [(f"a{action}", {}) for action in range(job["rewards"].shape[1])]
        self.names = [f"f{i}" for i in range(job["X"].shape[1])]
        self.salt = str(seed)
        self.clock = 0.0
        self.X = job["X"]

    def decide(self, row: int) -> int:
        context = dict(zip(self.names, self.X[row].tolist(), strict=True))
        self.clock += SECONDS_PER_ROUND
        decided = gittins.decide(self.state, context, self.candidates, self.clock, self.salt)
        self.decision = decided.decision_id
        return int(decided.chosen)

    def learn(self, row: int, action: int, reward: float) -> None:
        gittins.learn(self.state, self.decision, reward, self.clock)


LEARNERS = {"vw": VowpalWabbit, "mabwiser": MabWiser, "gittins": Gittins}


class Peer:
    def __init__(self) -> None:
        self.timed = {}

    def load(self, path: str) -> dict:
        with np.load(path) as stored:
            self.job = {name: stored[name] for name in stored.files}
        self.timed = {}
        return {}

    def _new(self, learner: str, order: int, parameters: dict) -> object:
        return LEARNERS[learner](self.job, int(self.job["seed"]) + order, **parameters)

    def run(self, learner: str, order: int, parameters: dict) -> dict:
        one = self._new(learner, order, parameters)
        rewards = self.job["rewards"]
        earned = []
        begin = process_time()
        for row in self.job["orders"][order].tolist():
            action = one.decide(row)
            reward = float(rewards[row, action])
            one.learn(row, action, reward)
            earned.append(reward)
        return {"rewards": earned, "seconds": process_time() - begin}

    def time(self, learner: str, parameters: dict, first: int, rounds: int) -> dict:
        """Go on with order 0 from its ``first`` round, and say what each round took."""
        key = json.dumps([learner, parameters])
        if key not in self.timed:
            self.timed[key] = self._new(learner, 0, parameters)
        one = self.timed[key]
        rewards = self.job["rewards"]
        seconds = []
        for row in self.job["orders"][0][first : first + rounds].tolist():
            begin = process_time()
            action = one.decide(row)
            one.learn(row, action, float(rewards[row, action]))
            seconds.append(process_time() - begin)
        return {"seconds": seconds}


if __name__ == "__main__":
    answer_calls(Peer())
