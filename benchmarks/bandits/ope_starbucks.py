"""Which offer to send whom: a learned policy beside constant ones on randomized sends.

17,000 customers, six sends; each time a customer gets one of ten offers with probability .0748 each
or nothing with .252. The reward is net spend: what the customer spends in the 168 hours from the
send, less the reward paid out for completing the offer sent in that time. It is defined for those
who are sent nothing, and pays no policy for giving rebates on what would be bought anyway. The last
send is left out: the log ends before its 168 hours do.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from benchmarks.report import figure
from nba.bandits.ope import (
    DR,
    LoggedData,
    Target,
    action_means,
    calibrate,
    compare,
    cross_fit,
    deal_folds,
    diagnose,
    evaluate,
    verdict,
)

WINDOW_HOURS = 168
SENDS_HOURS = (0, 168, 336, 408, 504)
OFFER_CHANCE, NOTHING_CHANCE = 0.0748, 0.252
FOLDS = 5
_KNOWN_AGE = 118
"""The age of customers whose age is not known."""


@dataclass(frozen=True)
class Sends:
    """One row a customer and send; action 0 is nothing, the others are offers."""

    data: LoggedData
    situations: NDArray[np.float64]
    offers: NDArray[np.float64]
    names: tuple[str, ...]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


class _Stream:
    """Adds up events by send and customer, ``(n_sends, n_customers)``."""

    def __init__(self, people: dict[str, int], codes: dict[str, int]) -> None:
        self._people, self._codes = people, codes
        shape = (len(SENDS_HOURS), len(people))
        self.actions = np.zeros(shape, dtype=np.int64)
        self.spent, self.paid, self.before, self.visits = (np.zeros(shape) for _ in range(4))

    def receive(self, person: str, hour: int, offer: str) -> None:
        if hour in SENDS_HOURS:
            place = SENDS_HOURS.index(hour)
            self.actions[place, self._people[person]] = self._codes[offer]

    def spend(self, person: str, hour: int, amount: float) -> None:
        column = self._people[person]
        for place, send in enumerate(SENDS_HOURS):
            if send <= hour < send + WINDOW_HOURS:
                self.spent[place, column] += amount
            elif hour < send:
                self.before[place, column] += amount
                self.visits[place, column] += 1.0

    def complete(self, person: str, hour: int, offer: str, reward: float) -> None:
        column = self._people[person]
        for place, send in enumerate(SENDS_HOURS):
            is_sent = self.actions[place, column] == self._codes[offer]
            if is_sent and send <= hour < send + WINDOW_HOURS:
                self.paid[place, column] += reward


def read_sends(folder: Path) -> Sends:
    """Read profiles and the event stream, which is in the order of its hours."""
    text = (folder / "portfolio.json").read_text(encoding="utf-8")
    portfolio = [json.loads(line) for line in text.splitlines()]
    profiles = list(_lines(folder / "profile.jsonl.gz"))
    stream = _Stream(
        {profile["id"]: place for place, profile in enumerate(profiles)},
        {offer["id"]: place for place, offer in enumerate(portfolio, start=1)},
    )
    for event in _lines(folder / "transcript.jsonl.gz"):
        person, hour, value = event["person"], event["time"], event["value"]
        match event["event"]:
            case "offer received":
                stream.receive(person, hour, value["offer id"])
            case "offer completed":
                stream.complete(person, hour, value["offer_id"], float(value["reward"]))
            case "transaction":
                stream.spend(person, hour, value["amount"])
    hours = np.repeat(np.array(SENDS_HOURS, dtype=np.float64), len(profiles))
    known = np.tile(np.array([_profile(one) for one in profiles]), (len(SENDS_HOURS), 1))
    past = np.column_stack([stream.before.ravel(), stream.visits.ravel(), hours])
    actions = stream.actions.ravel()
    chances = np.where(actions == 0, NOTHING_CHANCE, OFFER_CHANCE)
    clusters = np.tile(np.arange(len(profiles)), len(SENDS_HOURS))
    return Sends(
        LoggedData(actions, (stream.spent - stream.paid).ravel(), chances, clusters),
        np.hstack([known, past]),
        np.array([np.zeros(11), *(_offer(offer) for offer in portfolio)]),
        ("nothing", *(_name(offer) for offer in portfolio)),
    )


def _profile(one: dict[str, Any]) -> list[float]:
    age = np.nan if one["age"] == _KNOWN_AGE else float(one["age"])
    income = np.nan if one["income"] is None else float(one["income"])
    joined = str(one["became_member_on"])
    months = 12.0 * int(joined[:4]) + int(joined[4:6])
    return [age, income, float("MFO".find(one["gender"] or "-")), months]


def _offer(one: dict[str, Any]) -> list[float]:
    kinds = [float(one["offer_type"] == kind) for kind in ("bogo", "discount", "informational")]
    channels = [float(name in one["channels"]) for name in ("web", "email", "mobile", "social")]
    return [1.0, float(one["reward"]), float(one["difficulty"]), one["duration"], *kinds, *channels]


def _name(one: dict[str, Any]) -> str:
    return f"{one['offer_type']} {one['reward']} for {one['difficulty']} in {one['duration']:.0f} d"


def starbucks(folder: Path) -> list[dict[str, Any]]:
    """Value every mandatory policy and the learned one by DR, cross-fitted by customer."""
    sends = read_sends(folder / "starbucks")
    data, count = sends.data, len(sends.names)
    folds = deal_folds(len(data), data.clusters, count=FOLDS)
    model = HistGradientBoostingRegressor(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        l2_regularization=10.0,
        random_state=0,
    )
    with threadpool_limits(1):
        q = cross_fit(
            model,
            data,
            sends.situations,
            n_actions=count,
            folds=folds,
            action_features=np.hstack([sends.offers, np.eye(count)]),
        )
    best = _best_constant(data, folds, count)
    one_of = np.eye(count)
    shares = {
        "best constant": one_of[best[folds]],
        "no_action": np.broadcast_to(one_of[0], q.shape),
        "random": np.full(q.shape, 1.0 / count),
        "learned": one_of[q.argmax(axis=1)],
    }
    targets = {name: Target.from_distribution(data.actions, pi, q) for name, pi in shares.items()}
    targets["logging"] = Target(data.probabilities, np.zeros(len(data)), np.zeros(len(data)))
    chosen = sorted({sends.names[action] for action in best})
    figures = [_calibration(data, count)]
    for name, target in targets.items():
        refused = verdict(diagnose(data, target)).refused
        found = evaluate(DR(), data, target)
        how = (
            f"DR, [{found.low:.3f}, {found.high:.3f}], effective sample "
            f"{found.effective_sample_size:,.0f}{', REFUSED' if refused else ''}"
        )
        if name == "best constant":
            how += f"; {' or '.join(chosen)}, chosen on other customers"
        figures.append(figure(f"starbucks: {name}", found.value, "$/send", how))
    for other in ("best constant", "logging", "no_action"):
        gap = compare(DR(), data, targets["learned"], targets[other])
        how = f"[{gap.low:.3f}, {gap.high:.3f}]: {gap.finding}; {len(data):,} sends, 5 folds"
        figures.append(figure(f"starbucks: learned less {other}", gap.difference, "$/send", how))
    return figures


def _best_constant(data: LoggedData, folds: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """For each fold, the action whose mean was best on the other folds."""
    means = action_means(data, n_actions=count, folds=folds, prior_rows=0.0)
    return np.array([means[folds == fold][0].argmax() for fold in range(FOLDS)])


def _calibration(data: LoggedData, count: int) -> dict[str, Any]:
    worst = max(abs(found.z) for found in calibrate(data, n_actions=count))
    how = "largest z of the sum of 1 / p over 11 actions; the probabilities are not disputed"
    return figure("starbucks: calibration of probabilities", worst, "sd", how, at_most=4)
