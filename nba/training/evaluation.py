"""What policies would have brought, from the log of another: one table, with its mandatory rows.

Rows: the logging policy (simply what happened), the best constant action, ``no_action``, random,
and a learned policy; each by inverse propensity scoring (IPS), its self-normalized form (SNIPS) and
doubly robust (DR), with 95 % intervals over customers. The best constant action is chosen on some
customers and valued on the others, so that it is not flattered by hindsight. What the log cannot
carry is refused, with what would be enough.

Only first-ranked choices outside the holdout count: a later rank is in the log only where an
earlier one was not ``no_action``, and in the holdout there was nothing to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import (
    DR,
    IPS,
    SNIPS,
    Comparison,
    Estimate,
    LoggedData,
    Target,
    Thresholds,
    compare,
    diagnose,
    verdict,
)
from nba.bandits.ope import evaluate as estimate
from nba.domain.clock import from_datetime, to_rfc3339
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError
from nba.ledger.log import SHADOW
from nba.models.propensity import ModelInput, PropensityModel
from nba.training.candidates import CandidateTable, list_candidates
from nba.training.crossfit import (
    REGULARIZED,
    SMALL,
    CandidateFeatures,
    Folds,
    Learner,
    chunks,
    deal,
    is_small,
    predict_candidates,
)
from nba.training.encoding import recorded_inputs
from nba.training.fit import codes_of
from nba.training.progress import Progress, silent

Metric = Literal["label", "reward"]

LOGGING = "logging policy"
BEST_CONSTANT = "best constant action"
RANDOM = "random"
LEARNED = "learned policy"

_FOLDS = 5
_LEAST_CHOSEN = 100
_REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """What one policy would have brought per choice.

    ``refused`` gives the reasons not to believe it, each with what would be enough; then there is
    no verdict and no estimate is to be quoted. ``versus_best_constant`` is by DR, and ``None`` for
    the best constant action itself.
    """

    policy: str
    description: str
    ips: Estimate
    snips: Estimate
    dr: Estimate
    effective_sample_size: float
    versus_best_constant: Comparison | None
    verdict: str
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The table, and what it rests on; ``notes`` must be shown with it."""

    metric: Metric
    rows: int
    customers: int
    since: datetime
    through: datetime
    reward_model: str
    policies: tuple[PolicyValue, ...]
    notes: tuple[str, ...]


def evaluate(
    rows: pl.DataFrame,
    *,
    metric: Metric = "label",
    model: PropensityModel | None = None,
    inputs: Sequence[ModelInput] | None = None,
    every_constant: bool = False,
    thresholds: Thresholds | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Value the mandatory policies and a learned one on resolved choices that are oldest first.

    What another system took in shadow is left out: that is valued by
    :func:`nba.measurement.shadow.measure_shadow`.

    The learned policy takes the candidate with the highest propensity x value - cost. With a
    ``model`` it is that model, on choices later than it has seen; without, one like it is fitted
    on the other customers, from ``inputs`` (by default everything recorded).

    Raises :class:`EvaluationRefusedError` where no choice is left, or a choice has no probability
    of its own above 0.
    """
    chosen = _evaluable(rows, model)
    table = list_candidates(chosen)
    folds = deal(chosen, _FOLDS)
    data = LoggedData(
        actions=table.action[table.logged],
        rewards=chosen[metric].to_numpy(),
        probabilities=chosen["probability"].to_numpy(),
        clusters=codes_of(chosen["customer_id"]),
    )
    learner = Learner(
        inputs=recorded_inputs(chosen) if inputs is None else inputs,
        parameters=REGULARIZED,
        seed=seed,
        threads=threads,
    )
    fitting = "fitting the reward model"
    q = predict_candidates(table, data.rewards, folds, learner, progress=progress, stage=fitting)
    if model is not None:
        propensity = _propensities(model, table)
    elif metric == "label":
        propensity = q
    else:
        labels = chosen["label"].to_numpy()
        propensity = predict_candidates(
            table, labels, folds, learner, progress=progress, stage="fitting the learned policy"
        )
    jury = _Jury(table, data, np.where(np.isnan(q), data.rewards.mean(), q), thresholds, seed)
    progress("comparing policies", 0.0)
    policies = _policies(
        jury, folds, _expected_values(table, propensity), every_constant=every_constant
    )
    progress("done", 1.0)
    return Evaluation(
        metric=metric,
        rows=len(data),
        customers=int(chosen["customer_id"].n_unique()),
        since=chosen["at"][0],
        through=chosen["at"][-1],
        reward_model=_reward_model(table, folds),
        policies=policies,
        notes=tuple(_notes(chosen, model, folds)),
    )


def _evaluable(rows: pl.DataFrame, model: PropensityModel | None) -> pl.DataFrame:
    drawn_here = pl.col("source") != SHADOW
    chosen = rows.filter((pl.col("rank") == 1) & ~pl.col("holdout") & drawn_here)
    if chosen.is_empty():
        raise EvaluationRefusedError(
            "the log has no resolved first-ranked choices outside the holdout; "
            f"{Thresholds().effective_sample_size:.0f} and more are needed"
        )
    if model is None:
        return chosen
    seen = model.trained_through_ms
    later = chosen.filter(
        pl.Series([from_datetime(at) > seen for at in chosen["at"]], dtype=pl.Boolean)
    )
    if later.is_empty():
        raise EvaluationRefusedError(
            f"model {model.name!r} version {model.version} has seen data through "
            f"{to_rfc3339(seen)} and the log has no later resolved choice; wait for some, or "
            "evaluate without a model, which fits one like it on other customers"
        )
    return later


def _propensities(model: PropensityModel, table: CandidateTable) -> NDArray[np.float64]:
    propensities = np.full(len(table.choice), np.nan)
    features = CandidateFeatures(model.inputs, table)
    for part in chunks(features.present):
        raw = model.forest.score_rows(features.of_candidates(part))
        propensities[part] = 1.0 / (1.0 + np.exp(-model.calibration.apply(raw)))
    return propensities


def _expected_values(
    table: CandidateTable, propensities: NDArray[np.float64]
) -> NDArray[np.float64]:
    values = np.append(table.options["value"].to_numpy(), np.nan)[table.option]
    costs = np.append(table.options["cost"].to_numpy(), np.nan)[table.option]
    expected: NDArray[np.float64] = propensities * values - costs
    return expected


@dataclass(frozen=True, slots=True)
class _Jury:
    """Values any policy given as probabilities of all candidates; ``q`` (n,) has no gaps."""

    table: CandidateTable
    data: LoggedData
    q: NDArray[np.float64]
    thresholds: Thresholds | None
    seed: int

    def target(self, policy: NDArray[np.float64]) -> Target:
        return Target(
            policy[self.table.logged],
            self.q[self.table.logged],
            self.table.totals(policy * self.q),
        )

    def logging(self) -> Target:
        """Return what happened: by every estimator the plain mean, as its weights are all 1."""
        nothing = np.zeros(len(self.data))
        return Target(self.data.probabilities, nothing, nothing)

    def value(
        self, name: str, description: str, target: Target, best: Target | None
    ) -> PolicyValue:
        measured = diagnose(self.data, target)
        finding = verdict(measured, self.thresholds)
        versus = None
        if best is not None:
            versus = compare(DR(), self.data, target, best, seed=self.seed)
        said = "is the measure" if versus is None else str(versus.finding)
        by = [estimate(e, self.data, target, seed=self.seed) for e in (IPS(), SNIPS(), DR())]
        return PolicyValue(
            policy=name,
            description=description,
            ips=by[0],
            snips=by[1],
            dr=by[2],
            effective_sample_size=measured.effective_sample_size,
            versus_best_constant=versus,
            verdict=_REFUSED if finding.refused else said,
            refused=finding.reasons,
        )


def _policies(
    jury: _Jury, folds: Folds, scores: NDArray[np.float64], *, every_constant: bool
) -> tuple[PolicyValue, ...]:
    table = jury.table
    chosen = _best_constants(jury, folds)
    names = sorted({table.actions[action] for action in chosen})
    best = jury.target(table.constant(chosen[folds.of]))
    described = "always " + " or ".join(names) + ", chosen on other customers"
    found = [
        jury.value(LOGGING, "what happened", jury.logging(), best),
        jury.value(BEST_CONSTANT, described, best, None),
    ]
    constants: list[str] = [NO_ACTION] if NO_ACTION in table.actions else []
    if every_constant:
        constants += [name for name in table.actions if name != NO_ACTION]
    for name in constants:
        every = np.full(len(jury.data), table.actions.index(name))
        label = name if name == NO_ACTION else f"always {name}"
        said = "says nothing" if name == NO_ACTION else "says it wherever it may"
        found.append(jury.value(label, said, jury.target(table.constant(every)), best))
    found.append(jury.value(RANDOM, "any candidate alike", jury.target(table.uniform()), best))
    greedy = jury.target(table.greedy(scores))
    found.append(jury.value(LEARNED, "highest propensity x value - cost", greedy, best))
    return tuple(found)


def _best_constants(jury: _Jury, folds: Folds) -> NDArray[np.intp]:
    """For each fold, the action whose constant policy did best on the other folds, by SNIPS.

    Actions with an effective sample below 100 there are left aside; they win by luck.
    """
    table, data = jury.table, jury.data
    weights = np.empty((len(table.actions), len(data)))
    for action in range(len(table.actions)):
        policy = table.constant(np.full(len(data), action))
        weights[action] = policy[table.logged] / data.probabilities
    chosen = np.empty(folds.count, dtype=np.intp)
    for fold in range(folds.count):
        known = weights[:, folds.of != fold]
        rewards = data.rewards[folds.of != fold]
        total = known.sum(axis=1)
        square = (known**2).sum(axis=1)
        some = total > 0.0
        mean = np.divide(known @ rewards, total, out=np.full(len(total), -np.inf), where=some)
        sample = np.divide(total**2, square, out=np.zeros(len(total)), where=some)
        enough = sample >= min(_LEAST_CHOSEN, float(sample.max()))
        chosen[fold] = int(np.argmax(np.where(enough, mean, -np.inf)))
    return chosen


def _reward_model(table: CandidateTable, folds: Folds) -> str:
    kind = "means by action" if is_small(table) else "LightGBM"
    return f"{kind}, {folds.count}-fold by customer"


def _notes(chosen: pl.DataFrame, model: PropensityModel | None, folds: Folds) -> list[str]:
    notes = []
    if model is None:
        notes.append(f"the learned policy is fitted in {folds.count} folds, none on its own rows")
    else:
        notes.append(f"the learned policy is {model.name} version {model.version}, on later rows")
    if chosen.height < SMALL:
        notes.append(
            f"{chosen.height:,} choices are too few to learn who needs what ({SMALL:,} are "
            "needed): reward model and learned policy know only the actions' means"
        )
    if chosen["source"].str.ends_with(":estimated").any():
        notes.append("action probabilities were estimated from frequencies: right only if random")
    return notes
