"""The Open Bandit sample as plain arrays, and each file's target policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import LoggedData, Target

FILES = tuple(
    (policy, campaign) for policy in ("random", "bts") for campaign in ("all", "men", "women")
)
"""Logging policy and campaign of all six."""


@dataclass(frozen=True)
class SampleLog:
    """One file, in its own order: what was logged, and what the other policy would do.

    ``distribution`` is ``(n_actions, n_positions)``: Thompson sampling's own for the random log,
    uniform for the log of Thompson sampling. ``situations`` are the user's features, one column a
    value but for each feature's first; ``items`` those of the items, the hashed ones as numbers.
    """

    data: LoggedData
    positions: NDArray[np.intp]
    distribution: NDArray[np.float64]
    situations: NDArray[np.float64]
    items: NDArray[np.float64]

    @property
    def n_actions(self) -> int:
        return len(self.distribution)

    def target(self, q: NDArray[np.float64]) -> Target:
        """Return the target with a reward model ``(n or 1, n_actions)`` at each row's position."""
        return Target.from_distribution(self.data.actions, self.distribution.T[self.positions], q)


def read_log(folder: Path, policy: str, campaign: str) -> SampleLog:
    """Read one of the six files."""
    rows = pl.read_csv(folder / "obd" / policy / campaign / f"{campaign}.csv.gz")
    described = pl.read_csv(folder / "obd" / policy / campaign / "item_context.csv")
    ranks = rows["position"].rank("dense").to_numpy().astype(np.intp) - 1
    users = [name for name in rows.columns if name.startswith("user_feature")]
    hashed = ["item_feature_1", "item_feature_2", "item_feature_3"]
    items = described.sort("item_id").select(
        *(pl.col(name).rank("dense").cast(pl.Float64) - 1.0 for name in hashed), "item_feature_0"
    )
    if policy == "random":
        shares = np.load(folder / "obd" / f"obd_bts_action_dist_{campaign}.npy")
        distribution = shares / shares.sum(axis=0)
    else:
        distribution = np.full((items.height, int(ranks.max()) + 1), 1.0 / items.height)
    return SampleLog(
        data=LoggedData(
            rows["item_id"].to_numpy(),
            rows["click"].to_numpy().astype(np.float64),
            rows["propensity_score"].to_numpy(),
        ),
        positions=ranks,
        distribution=distribution,
        situations=rows.select(users).to_dummies(drop_first=True).to_numpy().astype(np.float64),
        items=items.to_numpy(),
    )
