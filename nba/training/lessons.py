"""What learners are told of the choices of a log, and what stands beneath what they learn.

That is the propensity model, if it is one that has seen none of the choices; otherwise the action's
base rate, as in the service. A model fitted here on other customers would have seen those whom a
learner is asked about: it would tell of them by what it expects of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BanditSettings
from nba.domain.catalog import Action, ValueFrom
from nba.errors import Fault, InputError
from nba.models.propensity import ModelInput
from nba.policies.suggestions import nearest
from nba.training.asked import PLACE, AskedPolicy
from nba.training.candidates import CandidateTable
from nba.training.crossfit import Folds

FloatArray = NDArray[np.float64]


def refuse_unlearnable(
    asked: Sequence[AskedPolicy],
    recorded: Sequence[ModelInput],
    names: Sequence[str],
    actions: Mapping[str, Action],
) -> None:
    """Raise :class:`InputError` where a learner needs what the log does not have.

    Its features have to be ``recorded`` ones of the situation, and numbers; any dimension one that
    an action of the log, of which there are these ``names``, has a term in.
    """
    faults = [
        Fault(PLACE, f"{one.said!r}: {found}", expected)
        for one in asked
        if one.kind == "learner"
        for found, expected in _unlearnable(one.bandit, recorded, names, actions)
    ]
    if faults:
        raise InputError(faults)


def _unlearnable(
    settings: BanditSettings,
    recorded: Sequence[ModelInput],
    names: Sequence[str],
    actions: Mapping[str, Action],
) -> Iterator[tuple[str, str]]:
    situation = {entry.name: entry for entry in recorded if entry.level == "situation"}
    numbers = [name for name, entry in situation.items() if entry.categories is None]
    for name in settings.features:
        if name not in situation:
            yield f"the log has no feature {name!r} of the situation", nearest(name, numbers)
        elif name not in numbers:
            known = f"known: {', '.join(numbers) or 'none'}"
            yield f"feature {name!r} is text", f"a number or bool is expected; {known}"
    terms = [term for name in names if name in actions for term in actions[name].terms]
    carried = {term.partition(":")[0] for term in terms}
    for name in settings.dimensions:
        if name not in carried:
            found = f"no action of the log has a term in dimension {name!r} in the catalog"
            yield found, nearest(name, carried)


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What is known of the choices of a log when learners are taught.

    Attributes
    ----------
    table
        The choices, oldest first, and all their candidates.
    folds
        Which choices are asked about together, and taught to all other learners.
    recorded
        Features of the log, those that learners look at among them.
    probabilities
        (n_choices,) the chances that the choices were drawn with.
    propensities
        (n,) of all candidates by a model that has seen none of the choices; ``None`` without one.
    goals
        (n,) what goals are expected to bring, in currency, beside learners of logits.
    actions
        Those of the catalog, by id.

    """

    table: CandidateTable
    folds: Folds
    recorded: Sequence[ModelInput]
    probabilities: FloatArray
    propensities: FloatArray | None
    goals: FloatArray
    actions: Mapping[str, Action]

    @cached_property
    def labels(self) -> FloatArray:
        """Whether the desired outcome came, (n_choices,)."""
        return self.table.choices["label"].to_numpy()

    @cached_property
    def rewards(self) -> FloatArray:
        """What came of the choices, in currency, (n_choices,)."""
        return self.table.choices["reward"].to_numpy()

    def base_logits(self, fold: int) -> FloatArray:
        """Return the logits that a fold's learner corrects, (n,); NaN where never chosen.

        Base rates are those of the catalog; of an action it does not know, the rate at which
        choices of the other folds came to their desired outcome.
        """
        if self.propensities is not None:
            chances = np.clip(self.propensities, 1e-12, 1.0 - 1e-12)
        else:
            others = self.labels[self.folds.of != fold]
            rate = (others.sum() + 1.0) / (len(others) + 2.0)
            known = self.actions
            rates = [known[n].base_rate if n in known else rate for n in self.table.actions]
            chances = np.array(rates)[self.table.action]
        logits: FloatArray = np.log(chances / (1.0 - chances))
        return np.where(self.table.option < 0, np.nan, logits)

    def values(self, *, declared: bool) -> FloatArray:
        """Return what a desired outcome brings, (n,): as believed when logged, or as declared.

        The two differ where the catalog says that an action's value is learned.
        """
        values = self.table.of_options("value")
        if not declared:
            return values
        said = np.full(len(self.table.actions), np.nan)
        for number, name in enumerate(self.table.actions):
            action = self.actions.get(name)
            if action is not None and action.value_from is ValueFrom.OUTCOMES:
                said[number] = action.value
        of_action = said[self.table.action]
        return np.where(np.isnan(of_action) | np.isnan(values), values, of_action)

    @cached_property
    def base_goals(self) -> FloatArray:
        """What goals bring by their base rates, (n,), in currency."""
        of_action = np.zeros(len(self.table.actions))
        for number, name in enumerate(self.table.actions):
            if name in self.actions:
                goals = self.actions[name].goals.values()
                of_action[number] = sum(goal.base_rate * goal.value for goal in goals)
        return of_action[self.table.action]
