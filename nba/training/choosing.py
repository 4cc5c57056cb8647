"""What policies that were asked about would choose, from what is known of all candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BanditSettings, Estimate, build_explorer
from nba.training.asked import AskedPolicy, refused, selected
from nba.training.candidates import CandidateTable
from nba.training.teaching import Taught

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a policy may know of all candidates (n,), NaN where a candidate was never chosen.

    ``propensities`` are those of the learned policy, ``of_models`` those of each model asked about
    by what was said; ``terms`` are those of each action. ``goals`` is what their goals are expected
    to bring, in currency, whoever ranks them. ``taught`` has what the learner of each policy that
    has one makes of them, by what was said.
    """

    table: CandidateTable
    propensities: FloatArray
    of_models: Mapping[str, FloatArray]
    terms: Mapping[str, Sequence[str]]
    goals: FloatArray | float = 0.0
    taught: Mapping[str, Taught] = field(default_factory=dict)

    def expected(self, propensities: FloatArray, factors: FloatArray | float = 1.0) -> FloatArray:
        """Return (propensity x value + goals) x factor - cost of all candidates."""
        values, costs = self.table.of_options("value"), self.table.of_options("cost")
        worth: FloatArray = (propensities * values + self.goals) * factors - costs
        return worth


def probabilities_of(asked: AskedPolicy, known: Known) -> FloatArray:
    """Return how probable a policy makes every candidate, ``(n,)``, summing to 1 by choice.

    Raises what :func:`selected` does, and :class:`InputError` for a change set.
    """
    if asked.kind == "changeset":
        raise refused(asked.said, "a change set is replayed, not decided from a log's candidates")
    table = known.table
    chosen = selected(asked, table.actions, known.terms)
    if asked.kind == "always":
        return table.always(asked.name)
    if asked.kind == "model":
        return table.greedy(known.expected(known.of_models[asked.said]))
    if asked.kind == "lever":
        factors = np.where(chosen[table.action], asked.factor, 1.0)
        return table.greedy(known.expected(known.propensities, factors))
    if asked.kind == "learner":
        taught = known.taught[asked.said]
        return _explored(table, taught.estimate, taught.updates, asked.bandit)
    everything = np.full(table.choices.height, table.choices.height)
    return _explored(table, Estimate(known.expected(known.propensities)), everything, asked.bandit)


def _explored(
    table: CandidateTable, scores: Estimate, updates: NDArray[np.intp], settings: BanditSettings
) -> FloatArray:
    """Return an explorer's probabilities of candidates whose ``scores`` (n,) are in currency.

    They rest on ``updates`` (n_choices,) observations. Where nothing is known of any candidate of a
    choice, all are alike.
    """
    explorer = build_explorer(settings)
    largest = float(np.abs(table.options["value"].to_numpy()).max())
    unit = settings.reward_scale or largest or 1.0
    scaled = scores.each(lambda part: part / unit)
    shares = table.uniform()
    is_known = np.isfinite(scaled.means)
    for choice, (begin, end) in enumerate(pairwise(table.start.tolist())):
        some = begin + np.flatnonzero(is_known[begin:end])
        if not len(some):
            continue
        shares[begin:end] = 0.0
        shares[some] = explorer.probabilities(
            scaled.means[some],
            updates=int(updates[choice]),
            deviations=None if scaled.deviations is None else scaled.deviations[some],
            members=None if scaled.members is None else scaled.members[:, some],
        )
    return shares
