"""What policies would have brought, from the log of another: one table, with its mandatory rows.

Rows: the logging policy (simply what happened), the best constant action, ``no_action``, random, a
learned policy, then whatever was asked about; each by inverse propensity scoring (IPS), its
self-normalized form (SNIPS) and doubly robust (DR), with 95 % intervals over customers. The best
constant action is chosen on some customers and valued on the others, so that it is not flattered by
hindsight. What the log cannot carry is refused, with what would be enough.

Only first-ranked choices outside the holdout count: a later rank is in the log only where an
earlier one was not ``no_action``, and in the holdout there was nothing to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import LoggedData, Target, Thresholds
from nba.domain.catalog import Action
from nba.domain.clock import from_datetime, to_rfc3339
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError
from nba.ledger.log import SHADOW
from nba.models.propensity import ModelInput, PropensityModel
from nba.training.asked import AskedPolicy, Known, probabilities_of, selected
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
from nba.training.goals import goal_worths, rewarded_beyond_labels
from nba.training.judging import Jury, PolicyValue
from nba.training.progress import Progress, silent
from nba.training.propensities import HOW, logged_probabilities
from nba.training.soundness import lopsided, miscalibrated, refuse_draws, refuse_unreadable

Metric = Literal["label", "reward"]

NothingSaid = Callable[[Jury, Target], PolicyValue]
"""Values ``no_action``, given the jury and the best constant policy."""

LOGGING = "logging policy"
BEST_CONSTANT = "best constant action"
EVERYWHERE = "says it wherever it may"
RANDOM = "random"
LEARNED = "learned policy"

FOLDS = 5
"""How many parts customers are dealt into for cross-fitting."""

_LEAST_CHOSEN = 100


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
    metric: Metric | None = None,
    model: PropensityModel | None = None,
    inputs: Sequence[ModelInput] | None = None,
    policies: Sequence[AskedPolicy] = (),
    models: Mapping[str, PropensityModel] | None = None,
    actions: Mapping[str, Action] | None = None,
    estimate_probabilities: bool = False,
    every_constant: bool = False,
    nothing: NothingSaid | None = None,
    thresholds: Thresholds | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Value the mandatory policies and a learned one on resolved choices that are oldest first.

    What another system took in shadow is left out: that is valued by
    :func:`nba.measurement.shadow.measure_shadow`.

    The learned policy takes the candidate with the highest propensity x value - cost, what goals
    are expected to bring included; ``actions`` are those of the catalog by id, whose goals are
    priced and whose terms levers select by. ``metric`` is what policies are valued by: where it is
    not given, rewards if any of these actions has goals or a learned value, else labels. With a
    ``model`` it is that model, on choices later than it has seen; without, one like it is fitted
    on the other customers, from ``inputs`` (by default everything recorded). ``policies`` are
    valued beside them; ``models`` holds, by what was said, those that they name, which must not
    have seen the choices either.
    ``estimate_probabilities`` puts estimates in the place of whatever action probabilities the log
    has; every verdict then says so. ``nothing`` values ``no_action`` where it is no candidate, as
    among the contents of an action (:mod:`nba.training.contents`).

    Raises :class:`EvaluationRefusedError` where no choice is left, a choice has no probability of
    its own above 0, or those of its candidates are not those of one draw, and :class:`InputError`
    for a policy of an action or term that the log does not have, and where a choice lacks its
    customer, or a value, cost or reward that is a number.
    """
    asked_models = models or {}
    chosen = evaluable(rows, [*([] if model is None else [model]), *asked_models.values()])
    refuse_unreadable(chosen)
    table = list_candidates(chosen)
    if not estimate_probabilities:
        refuse_draws(table)
    catalog = actions or {}
    terms = {name: action.terms for name, action in catalog.items()}
    for one in policies:
        selected(one, table.actions, terms)
    beyond = rewarded_beyond_labels(table, catalog)
    metric = metric or ("reward" if beyond else "label")
    folds = deal(chosen, FOLDS)
    recorded = recorded_inputs(chosen) if inputs is None else inputs
    probabilities = chosen["probability"].to_numpy()
    if estimate_probabilities:
        progress("estimating action probabilities", 0.0)
        probabilities = logged_probabilities(table, recorded, folds)
    data = LoggedData(
        actions=table.action[table.logged],
        rewards=chosen[metric].to_numpy(),
        probabilities=probabilities,
        clusters=codes_of(chosen["customer_id"]),
        estimated=estimate_probabilities or _has_estimates(chosen),
    )
    learner = Learner(
        inputs=recorded,
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
    jury = Jury(table, data, np.where(np.isnan(q), data.rewards.mean(), q), thresholds, seed)
    of_models = {said: _propensities(one, table) for said, one in asked_models.items()}
    known = Known(
        table=table,
        propensities=propensity,
        of_models=of_models,
        terms=terms,
        goals=goal_worths(table, catalog, folds, learner, progress=progress),
    )
    asked = [(one, probabilities_of(one, known)) for one in policies]
    progress("comparing policies", 0.0)
    found = _policies(jury, folds, known, asked, every_constant=every_constant, nothing=nothing)
    progress("done", 1.0)
    return Evaluation(
        metric=metric,
        rows=len(data),
        customers=int(chosen["customer_id"].n_unique()),
        since=chosen["at"][0],
        through=chosen["at"][-1],
        reward_model=_reward_model(table, folds),
        policies=found,
        notes=(
            *_notes(chosen, model, folds),
            *_notes_on_rewards(table, catalog, metric, beyond=beyond),
            *([HOW] if estimate_probabilities else miscalibrated(table, data)),
            *lopsided(chosen, data.rewards),
        ),
    )


def evaluable(rows: pl.DataFrame, models: Sequence[PropensityModel] = ()) -> pl.DataFrame:
    """Return the choices that count: ranked first, drawn here, outside the holdout, not yet seen.

    Raises :class:`EvaluationRefusedError` where none is left.
    """
    drawn_here = pl.col("source") != SHADOW
    chosen = rows.filter((pl.col("rank") == 1) & ~pl.col("holdout") & drawn_here)
    if chosen.is_empty():
        raise EvaluationRefusedError(
            "the log has no resolved first-ranked choices outside the holdout; "
            f"{Thresholds().effective_sample_size:.0f} and more are needed"
        )
    for model in models:
        seen = model.trained_through_ms
        chosen = chosen.filter(
            pl.Series([from_datetime(at) > seen for at in chosen["at"]], dtype=pl.Boolean)
        )
        if chosen.is_empty():
            raise EvaluationRefusedError(
                f"model {model.name!r} version {model.version} has seen data through "
                f"{to_rfc3339(seen)} and the log has no later resolved choice; wait for some, or "
                "evaluate without a model, which fits one like it on other customers"
            )
    return chosen


def _has_estimates(chosen: pl.DataFrame) -> bool:
    return bool(chosen["source"].str.ends_with(":estimated").any())


def _propensities(model: PropensityModel, table: CandidateTable) -> NDArray[np.float64]:
    propensities = np.full(len(table.choice), np.nan)
    features = CandidateFeatures(model.inputs, table)
    for part in chunks(features.present):
        raw = model.forest.score_rows(features.of_candidates(part))
        propensities[part] = 1.0 / (1.0 + np.exp(-model.calibration.apply(raw)))
    return propensities


def _policies(
    jury: Jury,
    folds: Folds,
    known: Known,
    asked: Sequence[tuple[AskedPolicy, NDArray[np.float64]]],
    *,
    every_constant: bool,
    nothing: NothingSaid | None,
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
    if nothing is not None:
        found.append(nothing(jury, best))
    constants: list[str] = [NO_ACTION] if NO_ACTION in table.actions else []
    if every_constant:
        constants += [name for name in table.actions if name != NO_ACTION]
    for name in constants:
        every = np.full(len(jury.data), table.actions.index(name))
        label = name if name == NO_ACTION else f"always {name}"
        said = "says nothing" if name == NO_ACTION else EVERYWHERE
        found.append(jury.value(label, said, jury.target(table.constant(every)), best))
    found.append(jury.value(RANDOM, "any candidate alike", jury.target(table.uniform()), best))
    greedy = jury.target(table.greedy(known.expected(known.propensities)))
    found.append(jury.value(LEARNED, "highest propensity x value - cost", greedy, best))
    for one, shares in asked:
        found.append(jury.value(one.said, one.description, jury.target(shares), best))
    return tuple(found)


def _best_constants(jury: Jury, folds: Folds) -> NDArray[np.intp]:
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
    if _has_estimates(chosen):
        notes.append("action probabilities were estimated from frequencies: right only if random")
    return notes


def _notes_on_rewards(
    table: CandidateTable, catalog: Mapping[str, Action], metric: Metric, *, beyond: bool
) -> Iterator[str]:
    """Yield what is to be known where labels are not all that counts."""
    priced = [name for name in table.actions if name in catalog and catalog[name].goals]
    if priced:
        yield (
            f"propensity x value includes the goals of {', '.join(priced)}, at the catalog's prices"
        )
    if beyond and metric == "label":
        yield (
            "labels say nothing of goals and amounts, by which candidates are ranked: value them "
            "by rewards"
        )
