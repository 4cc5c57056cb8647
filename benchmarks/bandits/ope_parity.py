"""Every estimator and reward model beside the Open Bandit Pipeline's, on the same inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from benchmarks.bandits.ope_logs import FILES, SampleLog, read_log
from benchmarks.peer_process import PeerProcess, peer_process
from benchmarks.report import figure
from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNDR,
    SNIPS,
    DRos,
    Estimator,
    SwitchDR,
    action_means,
    cross_fit,
)
from nba.bandits.ope.slates import IIPS, RIPS, SIPS, LoggedSlates, SlateTarget

RECORD = Path(__file__).parents[2] / "tests" / "bandits" / "ope" / "data" / "obp_0_4_1.json"
TAU, LAMBDA = 10.0, 100.0
FOLDS, SEED = 3, 12345
MEANS, LOGISTIC, BOOSTING = "smoothed item means", "logistic regression", "histogram boosting"
KNOWN_FOLDS = KFold(n_splits=FOLDS, shuffle=True, random_state=SEED)


def estimators() -> list[Estimator]:
    """Return ours, by the names that the peer answers with."""
    return [IPS(), SNIPS(), DM(), DR(), SNDR(), SwitchDR(TAU), DRos(LAMBDA)]


def values(log: SampleLog, q: NDArray[np.float64]) -> dict[str, float]:
    """Return our estimates of a log's target."""
    target = log.target(q)
    return {one.name: one.terms(log.data, target).value for one in estimators()}


def reward_model(log: SampleLog, name: str) -> NDArray[np.float64]:
    """Return what our reward model expects, ``(n or 1, n_actions)``."""
    if name == MEANS:
        return action_means(log.data, n_actions=log.n_actions)
    models = {
        LOGISTIC: LogisticRegression(max_iter=1000, random_state=SEED),
        BOOSTING: HistGradientBoostingClassifier(random_state=SEED),
    }
    with threadpool_limits(1):
        return cross_fit(
            models[name],
            log.data,
            log.situations,
            n_actions=log.n_actions,
            folds=folds(len(log.data)),
            action_features=log.items,
            positions=log.positions,
        )


def folds(n: int) -> NDArray[np.intp]:
    """Return the folds that the peer deals rows into."""
    dealt = np.empty(n, dtype=np.intp)
    for fold, (_, asked) in enumerate(KNOWN_FOLDS.split(np.empty((n, 1)))):
        dealt[asked] = fold
    return dealt


def _theirs(
    peer: PeerProcess, log: SampleLog, name: str, folder: Path
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return the peer's estimates, and its expected rewards at each row's position."""
    n, (k, positions) = len(log.data), log.distribution.shape
    given = {
        "action": log.data.actions,
        "reward": log.data.rewards.astype(np.int64),
        "pscore": log.data.probabilities,
        "position": log.positions,
        "context": log.situations,
        "action_context": log.items,
    }
    inputs, estimated = folder / "log.npz", folder / "estimated.npz"
    if name == MEANS:
        q = np.broadcast_to(reward_model(log, name)[0][None, :, None], (n, k, positions))
    else:
        np.savez(inputs, **given)
        peer.ask(
            "regress", file=str(inputs), out=str(estimated), model=name, folds=FOLDS, seed=SEED
        )
        with np.load(estimated) as answer:
            q = answer["estimated"]
    shares = np.broadcast_to(log.distribution, (n, k, positions))
    np.savez(inputs, **given, action_dist=shares, estimated=q)
    found = peer.ask("values", file=str(inputs), tau=TAU, lambda_=LAMBDA)
    return found, q[np.arange(n), :, log.positions]


def parity(folder: Path, *, record: bool = False) -> list[dict[str, Any]]:
    """Compare all six files; ``record`` writes what the peer answered for tests to read."""
    off: dict[str, float] = {}
    modelled: dict[str, float] = {}
    recorded: dict[str, Any] = {}
    # On a busy machine, threads that wait for one another cost many times what they bring.
    running = peer_process("obp", "--no-deps", OMP_NUM_THREADS="1")
    with running as peer, TemporaryDirectory() as temporary:
        for policy, campaign in FILES:
            log = read_log(folder, policy, campaign)
            for name in (MEANS, LOGISTIC, BOOSTING):
                theirs, q = _theirs(peer, log, name, Path(temporary))
                ours = reward_model(log, name)
                gap = float(np.abs(ours - q).max())
                modelled[name] = max(modelled.get(name, 0.0), gap)
                for estimator, value in values(log, ours).items():
                    off[estimator] = max(off.get(estimator, 0.0), abs(value - theirs[estimator]))
                recorded.setdefault(f"{policy}/{campaign}", {})[name] = theirs
        slates = _slates(peer, Path(temporary))
        if record:
            _write(peer.ask("versions"), recorded)
    how = f"largest difference over {len(FILES)} files of 10,000 rows, three reward models"
    regressed = f"largest difference of any expected reward, {FOLDS} folds, a model a position"
    return [
        *(figure(f"obp parity: {name}", gap, "", how, at_most=1e-9) for name, gap in off.items()),
        *(
            figure(f"obp parity: {name}", gap, "", regressed, at_most=1e-9)
            for name, gap in modelled.items()
        ),
        *slates,
    ]


def _write(versions: Mapping[str, str], recorded: Mapping[str, Any]) -> None:
    told = {
        "what": "values of the Open Bandit Pipeline on its own sample of the Open Bandit Dataset",
        "how": "python -m benchmarks.bandits.ope parity --record",
        "versions": versions,
        "switch_tau": TAU,
        "shrinkage_lambda": LAMBDA,
        "folds": f"sklearn KFold({FOLDS}, shuffle=True, random_state={SEED}) in the file's order",
        "smoothed item means": "(clicks + 100 mean) / (n + 100) by item, positions ignored",
        "values": recorded,
    }
    RECORD.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _slates(peer: PeerProcess, folder: Path) -> list[dict[str, Any]]:
    """Compare the estimators of slates on 2,000 drawn slates of 4 positions."""
    rng = np.random.default_rng(SEED)
    n, k = 2_000, 4
    conditional, target = rng.uniform(0.2, 1.0, (2, n, k))
    marginal, target_marginal = rng.uniform(0.2, 1.0, (2, n, k))
    rewards = rng.random((n, k))
    file = folder / "slates.npz"

    def whole(table: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(table.prod(axis=1), k)

    np.savez(
        file,
        slate_id=np.repeat(np.arange(n), k),
        position=np.tile(np.arange(k), n),
        reward=rewards.ravel(),
        whole=whole(conditional),
        target_whole=whole(target),
        marginal=marginal.ravel(),
        target_marginal=target_marginal.ravel(),
        cascade=conditional.cumprod(axis=1).ravel(),
        target_cascade=target.cumprod(axis=1).ravel(),
    )
    theirs = peer.ask("slates", file=str(file))
    data = LoggedSlates(rewards, conditional, marginal)
    seen = SlateTarget(target, target_marginal)
    how = f"difference on {n:,} drawn slates of {k} positions"
    return [
        figure(
            f"obp parity: {one.name}",
            abs(one.terms(data, seen).value - theirs[one.name]),
            "",
            how,
            at_most=1e-9,
        )
        for one in (SIPS(), IIPS(), RIPS())
    ]
