"""What the service's learners would make of every candidate, taught on other customers alone.

Customers are dealt into folds. The candidates of a fold are scored by a learner that was taught the
choices of all other folds, once each and in the log's order, as the worker teaches it
(:mod:`nba.worker.learning`) and as the service corrects by it (:mod:`nba.decision.scoring`). So it
knows as much as the service does after as many choices, and nothing of the customer it is asked
about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.bandits import (
    BanditSettings,
    BoundLearner,
    Correction,
    Estimate,
    Learner,
    Resolved,
    build_learner,
)
from nba.training.asked import AskedPolicy
from nba.training.corrections import fit_correction
from nba.training.encoding import encode_rows
from nba.training.lessons import Lessons
from nba.training.progress import Progress, silent

FloatArray = NDArray[np.float64]

_EXPLORING: Mapping[str, Any] = {
    name: getattr(BanditSettings(), name)
    for name in (
        "explorer",
        "gamma",
        "gamma_exponent",
        "doubt",
        "epsilon",
        "temperature",
        "alpha",
        "mellowness",
        "elimination",
        "deviation_scale",
        "uniform",
        "reward_scale",
        "snapshot_seconds",
        "content_floor",
    )
}
"""Settings that say how scores are explored by, and nothing of how they are learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What learners expect of all candidates (n,), in currency, NaN where one was never chosen.

    ``updates`` (n_choices,) is how many choices the learner that was asked about each was taught.
    """

    estimate: Estimate
    updates: NDArray[np.intp]


def teach_asked(
    asked: Sequence[AskedPolicy], lessons: Lessons, *, progress: Progress = silent
) -> dict[str, Taught]:
    """Return what the learner of each policy that has one makes of candidates, by what was said.

    Policies that differ in how they explore alone share a learner.
    """
    known: dict[BanditSettings, Taught] = {}
    found = {}
    for one in asked:
        if one.kind != "learner":
            continue
        settings = replace(one.bandit, **_EXPLORING)
        if settings not in known:
            stage = f"teaching the learner of {one.said}"
            known[settings] = teach(settings, lessons, progress=progress, stage=stage)
        found[one.said] = known[settings]
    return found


def teach(
    settings: BanditSettings, lessons: Lessons, *, progress: Progress = silent, stage: str = ""
) -> Taught:
    """Return what learners of some settings make of every candidate of a log.

    A learner of logits ranks by what goals are expected to bring, one of rewards by their base
    rates and by declared values, as in the service: it learns of them itself, in the rewards.
    """
    pupil = _Pupil(settings, lessons)
    folds = lessons.folds
    updates = np.zeros(len(folds.of), dtype=np.intp)
    for fold in range(folds.count):
        progress(stage, fold / folds.count)
        is_asked = folds.of == fold
        if is_asked.any():
            updates[is_asked] = pupil.score(fold, is_asked)
    return Taught(estimate=pupil.estimate(), updates=updates)


class _Pupil:
    """Teaches a learner for each fold, and keeps what they say of all candidates."""

    def __init__(self, settings: BanditSettings, lessons: Lessons) -> None:
        self._settings, self._lessons = settings, lessons
        self._table = lessons.table
        named = {entry.name: entry for entry in lessons.recorded if entry.level == "situation"}
        self._z = encode_rows([named[name] for name in settings.features], self._table.choices)
        self._rewards = settings.learner != "logistic"
        self._values = lessons.values(declared=self._rewards)
        self._costs = self._table.of_options("cost")
        self._goals = lessons.base_goals if self._rewards else lessons.goals
        n = len(self._table.choice)
        self._logits, self._variances, self._added, self._deviations = np.full((4, n), np.nan)
        has_members = settings.learner in {"bagged", "cover"}
        self._members = np.full((settings.members, n), np.nan) if has_members else None
        self._sets: dict[bytes, tuple[str, ...]] = {}

    def score(self, fold: int, is_asked: NDArray[np.bool_]) -> int:
        """Let a learner that knows the other folds speak of this one; return its updates."""
        learner = build_learner(self._settings, fit_correction)
        dimensions, known = self._settings.dimensions, self._lessons.actions
        learner.ensure(
            {a: known[a].top_terms(dimensions) if a in known else [] for a in self._table.actions}
        )
        logits = self._lessons.base_logits(fold)
        self._teach(learner, np.flatnonzero(~is_asked), logits)
        bound: dict[tuple[str, ...], BoundLearner] = {}
        for choice in np.flatnonzero(is_asked).tolist():
            rows, names = self._left(choice)
            if not names:
                continue
            if names not in bound:
                bound[names] = learner.bind(names)
            self._keep(rows, bound[names].correct(logits[rows], self._z[choice]))
        return learner.updates

    def _teach(self, learner: Learner, choices: NDArray[np.intp], logits: FloatArray) -> None:
        lessons = self._lessons
        base_goals = lessons.base_goals
        expected = self._values / (1.0 + np.exp(-logits)) + base_goals
        worths = expected - self._costs
        for choice in choices.tolist():
            rows, names = self._left(choice)
            taken = self._table.logged[choice]
            learner.learn(
                Resolved(
                    action=self._table.actions[self._table.action[taken]],
                    model_logit=float(logits[taken]),
                    z=self._z[choice],
                    label=float(lessons.labels[choice]),
                    reward=float(lessons.rewards[choice]),
                    expected=float(expected[taken]),
                    probability=float(lessons.probabilities[choice]),
                    candidates=names,
                    worths=worths[rows],
                )
            )
            learner.refit_if_due()

    def _left(self, choice: int) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the candidates of a choice that anything is known of, and their names."""
        begin, end = self._table.start[choice : choice + 2]
        rows = begin + np.flatnonzero(self._table.option[begin:end] >= 0)
        numbers = self._table.action[rows]
        key = numbers.tobytes()
        if key not in self._sets:
            self._sets[key] = tuple(self._table.actions[number] for number in numbers)
        return rows, self._sets[key]

    def _keep(self, rows: NDArray[np.intp], correction: Correction) -> None:
        self._logits[rows] = correction.logits
        if correction.variances is not None:
            self._variances[rows] = correction.variances
        if correction.rewards is not None:
            self._added[rows] = correction.rewards
        if correction.deviations is not None:
            self._deviations[rows] = correction.deviations
        if correction.members is not None and self._members is not None:
            self._members[:, rows] = correction.members

    def estimate(self) -> Estimate:
        """Return the scores of all candidates, and how sure they are."""
        chances = 1.0 / (1.0 + np.exp(-self._logits))
        scores = chances * self._values + self._goals - self._costs
        if not self._rewards:
            slopes = np.abs(self._values) * chances * (1.0 - chances)
            return Estimate(scores, slopes * np.sqrt(self._variances))
        members = None if self._members is None else scores + self._members
        return Estimate(scores + self._added, self._deviations, members)
