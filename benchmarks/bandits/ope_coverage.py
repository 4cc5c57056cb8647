"""How often intervals hold the truth, in a world whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import figure
from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNDR,
    SNIPS,
    Bootstrap,
    ClippedIPS,
    ConfidenceSequence,
    DRos,
    EmpiricalBernstein,
    Estimator,
    Interval,
    LoggedData,
    SwitchDR,
    Target,
    Terms,
    choose_estimator,
    diagnose,
    row_bounds,
    tuned_clipped_ips,
    tuned_dr_os,
    tuned_switch_dr,
)
from nba.bandits.ope.bootstrap import REPLICATES, cluster_sums, resample, spread
from nba.bandits.ope.intervals import Clusters, Spread, bounds

REPETITIONS = 1_000
_SEED = 20_240
_FAVOURED = np.array([[0.65, 0.15, 0.1, 0.1, 0.0], [0.0, 0.1, 0.1, 0.15, 0.65]])
_TARGET = np.array([[0.1, 0.4, 0.1, 0.1, 0.3], [0.2, 0.1, 0.1, 0.5, 0.1]])
_RATES = np.array([[1.0, 1.6, 0.7, 1.0, 1.3], [0.5, 0.8, 1.0, 1.9, 0.6]])
_MODEL = np.array([1.0, 1.2, 0.8, 1.2, 1.0])
"""What the reward model believes of each action, whatever the customer: somewhat wrong."""


@dataclass(frozen=True)
class Setting:
    """So many customers with one to three choices each, rewarded at about ``rate``.

    ``floor`` is the least probability that anything is logged with. A reward is 1, or where
    ``tail`` is above 0 a lognormal amount of mean 1, whose logarithm has that standard deviation.
    """

    customers: int
    rate: float
    floor: float = 0.05
    tail: float = 0.0

    @property
    def name(self) -> str:
        amounts = f", amounts with tails of {self.tail:g}" if self.tail else ""
        return f"{self.customers:,} customers at {self.rate:.0%}, floor {self.floor:g}{amounts}"

    @property
    def logging(self) -> NDArray[np.float64]:
        """How probable the log makes every action in either situation."""
        left = 1.0 - 5 * self.floor
        spare = np.maximum(_FAVOURED - self.floor, 0.0)
        return self.floor + left * spare / spare.sum(axis=1, keepdims=True)

    @property
    def truth(self) -> float:
        """The target's value per row: situations are alike in number of rows."""
        return self.rate * float((_TARGET * _RATES).sum(axis=1).mean())

    def draw(self, rng: np.random.Generator) -> tuple[LoggedData, Target]:
        """Draw a log; a customer's rows share a situation and a taste, so they are not alone."""
        rows = rng.integers(1, 4, self.customers)
        of = np.repeat(np.arange(self.customers), rows)
        side = rng.integers(0, 2, self.customers)[of]
        taste = rng.uniform(0.5, 1.5, self.customers)[of]
        logging = self.logging
        drawn = rng.random(len(of))[:, None]
        actions = np.minimum((drawn > logging[side].cumsum(axis=1)).sum(axis=1), 4)
        chance = self.rate * taste * _RATES[side, actions]
        rewards = (rng.random(len(of)) < chance).astype(np.float64)
        if self.tail:
            rewards *= rng.lognormal(-(self.tail**2) / 2.0, self.tail, len(of))
        data = LoggedData(actions, rewards, logging[side, actions], of)
        q = self.rate * np.broadcast_to(_MODEL, (len(of), 5))
        return data, Target.from_distribution(actions, _TARGET[side], q)


SETTINGS = (
    Setting(320, 0.2),
    Setting(1_000, 0.2),
    Setting(1_000, 0.05),
    Setting(4_000, 0.02),
    Setting(2_000, 0.2, floor=0.01),
    Setting(1_000, 0.2, tail=1.0),
)
VERY_HEAVY = (Setting(1_000, 0.2, tail=1.5), Setting(4_000, 0.2, tail=1.5))
"""Amounts of which the largest hundredth makes a fifth of the sum: no goal is set for them."""

CHOOSING = SETTINGS[:2]
_LARGEST_WEIGHT = 3.0


def coverage() -> list[dict[str, Any]]:
    """Draw logs again and again, and count how often each interval holds the truth."""
    rng = np.random.default_rng(_SEED)
    figures: list[dict[str, Any]] = []
    shares: list[float] = []
    tried = [(one, _plain(one)) for one in SETTINGS + VERY_HEAVY]
    tried += [(one, _chosen) for one in CHOOSING]
    for setting, intervals in tried:
        held, effective = _held(setting, intervals, rng)
        how = f"{setting.name}; effective sample {effective:,.0f} on average, {REPETITIONS:,} logs"
        for name, share in held.items():
            figures.append(figure(f"{name}, {setting.name}", 100 * share, "%", how))
            if name.startswith("bootstrap") and setting not in VERY_HEAVY:
                shares.append(100 * share)
    how = "bootstrap of all estimators over all settings but the heaviest tails, goal 93 to 97"
    figures += [
        figure("coverage of 95 % bootstrap, least", min(shares), "%", how, at_least=93),
        figure("coverage of 95 % bootstrap, most", max(shares), "%", how, at_most=97),
        _over_time(rng),
    ]
    return figures


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of resampled estimates, which studentized intervals are set beside."""

    seed: int

    def around(self, terms: Terms, clusters: Clusters) -> Spread:
        sums = cluster_sums(terms.columns, clusters)
        drawn = resample(sums, replicates=REPLICATES, seed=self.seed)
        return Spread(*spread(terms.combine(drawn)))


@dataclass(frozen=True)
class Best:
    """What the data choose among estimators of all kinds."""

    name: str = "chosen among all"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        bounded = (
            ClippedIPS(_LARGEST_WEIGHT),
            SwitchDR(threshold=_LARGEST_WEIGHT),
            DRos(shrinkage=4.0 * _LARGEST_WEIGHT**2),
        )
        kinds: list[Estimator] = [IPS(), SNIPS(), DR(), SNDR(), DM(), *bounded]
        return choose_estimator(kinds, data, target).estimator.terms(data, target)


Tried = list[tuple[str, Estimator, Interval]]
"""Names, estimators and intervals to be tried on a log."""


def _plain(setting: Setting) -> Callable[[int], Tried]:
    ips = row_bounds(0.0, 1.0, 1.0 / setting.floor)
    dr = row_bounds(0.0, 1.0, 1.0 / setting.floor, doubly_robust=True)

    def tried(seed: int) -> Tried:
        kinds: tuple[Estimator, ...] = (IPS(), SNIPS(), DR())
        found: Tried = [(f"bootstrap {one.name}", one, Bootstrap(seed=seed)) for one in kinds]
        found += [(f"percentiles {one.name}", one, Percentiles(seed)) for one in kinds]
        if setting.tail == 0.0:
            found.append(("empirical Bernstein IPS", IPS(), EmpiricalBernstein(*ips)))
            found.append(("empirical Bernstein DR", DR(), EmpiricalBernstein(*dr)))
        return found

    return tried


def _chosen(seed: int) -> Tried:
    kinds = (tuned_clipped_ips(), tuned_switch_dr(), tuned_dr_os(), Best())
    return [(f"bootstrap {one.name}", one, Bootstrap(seed=seed)) for one in kinds]


def _held(
    setting: Setting, intervals: Callable[[int], Tried], rng: np.random.Generator
) -> tuple[dict[str, float], float]:
    held: dict[str, int] = {}
    effective = 0.0
    for seed in range(REPETITIONS):
        data, target = setting.draw(rng)
        effective += diagnose(data, target).effective_sample_size
        for name, estimator, interval in intervals(seed):
            found = bounds(interval, estimator.terms(data, target), data.clusters)
            holds = found.low <= setting.truth <= found.high
            held[name] = held.get(name, 0) + int(holds)
    return {name: count / REPETITIONS for name, count in held.items()}, effective / REPETITIONS


def _over_time(rng: np.random.Generator) -> dict[str, Any]:
    """Count the logs during which a confidence sequence never once left the truth outside."""
    setting = Setting(2_000, 0.2)
    interval = ConfidenceSequence(*row_bounds(0.0, 1.0, 1.0 / setting.floor), most_rows=3)
    width: list[float] = []
    held = np.zeros(REPETITIONS, dtype=bool)
    for number in range(REPETITIONS):
        data, target = setting.draw(rng)
        # Bounds only ever narrow, so the last hold the truth only if all before did.
        found = interval.around(IPS().terms(data, target), data.clusters)
        held[number] = found.low <= setting.truth <= found.high
        width.append(found.high - found.low)
    how = (
        f"{REPETITIONS:,} logs of {setting.customers:,} customers, looked at after every one; "
        f"final width {np.mean(width):.3f} around {setting.truth:.3f}"
    )
    return figure("confidence sequence right at all times", _share(held), "%", how, at_least=95)


def _share(held: NDArray[np.bool_]) -> float:
    return 100.0 * float(held.mean())
