"""What choosing a bound by the data gains and risks, beside the unbiased estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import figure
from nba.bandits.ope import (
    DR,
    IPS,
    Estimator,
    LoggedData,
    Target,
    Tuned,
    tuned_clipped_ips,
    tuned_dr_os,
    tuned_switch_dr,
)

REPETITIONS = 200
_RATES = np.array([0.2, 0.3, 0.4])
_TRUTH = 0.3
_MODELS = {"a good": (0.22, 0.3, 0.38), "a useless": (0.3, 0.3, 0.3), "a wrong": (0.1, 0.1, 0.1)}


@dataclass(frozen=True)
class Setting:
    """So many rows of a log that favours one of three actions; the target is uniform."""

    rows: int
    floor: float

    def draw(self, seed: int, q: tuple[float, ...]) -> tuple[LoggedData, Target]:
        rng = np.random.default_rng(seed)
        best = rng.integers(0, 3, self.rows)
        logging = np.where(np.arange(3) == best[:, None], 1.0 - 2 * self.floor, self.floor)
        drawn = rng.random(self.rows)[:, None]
        actions = np.minimum((drawn > logging.cumsum(axis=1)).sum(axis=1), 2)
        rewards = (rng.random(self.rows) < _RATES[actions]).astype(np.float64)
        data = LoggedData(actions, rewards, logging[np.arange(self.rows), actions])
        return data, Target.from_distribution(actions, np.full((1, 3), 1 / 3), [list(q)])


SETTINGS = (Setting(600, 0.1), Setting(600, 0.02), Setting(3_000, 0.02), Setting(3_000, 0.005))


def _off(setting: Setting, q: tuple[float, ...], one: Estimator) -> float:
    errors: NDArray[np.float64] = np.array(
        [one.terms(*setting.draw(seed, q)).value - _TRUTH for seed in range(REPETITIONS)]
    )
    return float(np.sqrt(np.square(errors).mean()))


def selection() -> list[dict[str, Any]]:
    """Return, for each tuned estimator, its error as a share of the unbiased one's."""
    tried: list[tuple[Tuned, Estimator, str]] = [
        (tuned_clipped_ips(), IPS(), "a useless"),
        *(
            (tuned, DR(), model)
            for tuned in (tuned_switch_dr(), tuned_dr_os())
            for model in _MODELS
        ),
    ]
    found = []
    for tuned, unbiased, model in tried:
        shares = [
            _off(setting, _MODELS[model], tuned) / _off(setting, _MODELS[model], unbiased)
            for setting in SETTINGS
        ]
        listed = ", ".join(f"{share:.2f}" for share in shares)
        using = "" if isinstance(unbiased, IPS) else f", {model} reward model"
        how = (
            f"root mean squared error over that of {unbiased.name}, {REPETITIONS} logs in each of "
            f"{len(SETTINGS)} settings of 600 to 3,000 rows: {listed}"
        )
        found.append(figure(f"{tuned.name}{using}, worst", max(shares), "x", how))
    return found
