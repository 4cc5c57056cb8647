"""What must be shown with a table of policies: what its rows rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl

from nba.domain.catalog import Action
from nba.models.propensity import PropensityModel
from nba.training.asked import AskedPolicy
from nba.training.candidates import CandidateTable
from nba.training.crossfit import SMALL, Folds
from nba.training.teaching import Taught

Metric = Literal["label", "reward"]


def has_estimates(chosen: pl.DataFrame) -> bool:
    """Whether the log itself holds probabilities that were estimated when it was imported."""
    return bool(chosen["source"].str.ends_with(":estimated").any())


def on_log(chosen: pl.DataFrame, model: PropensityModel | None, folds: Folds) -> Iterator[str]:
    """Yield what the learned policy is, and what the log's size and probabilities allow."""
    if model is None:
        yield f"the learned policy is fitted in {folds.count} folds, none on its own rows"
    else:
        yield f"the learned policy is {model.name} version {model.version}, on later rows"
    if chosen.height < SMALL:
        yield (
            f"{chosen.height:,} choices are too few to learn who needs what ({SMALL:,} are "
            "needed): reward model and learned policy know only the actions' means"
        )
    if has_estimates(chosen):
        yield "action probabilities were estimated from frequencies: right only if random"


def on_rewards(
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


def on_learners(
    policies: Sequence[AskedPolicy],
    taught: Mapping[str, Taught],
    metric: Metric,
    model: PropensityModel | None,
) -> Iterator[str]:
    """Yield how learners that were asked about were taught, and what they correct."""
    if not taught:
        return
    beneath = "the action's base rate"
    if model is not None:
        beneath = f"what {model.name} version {model.version} says"
    counts = np.concatenate([one.updates for one in taught.values()])
    yield (
        f"{'; '.join(taught)}: each fifth of customers is scored by a learner that was taught the "
        f"choices of the others in the log's order, {counts.min():,} at least, and corrects "
        f"{beneath}"
    )
    of_rewards = [one.said for one in policies if _learns_rewards(one)]
    if of_rewards and metric == "label":
        yield (
            f"{'; '.join(of_rewards)}: what is learned is rewards, as in the service, and labels "
            "are what policies are valued by here; --metric reward values what was learned"
        )


def _learns_rewards(asked: AskedPolicy) -> bool:
    return asked.kind == "learner" and asked.bandit.learner != "logistic"
