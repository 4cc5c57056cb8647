"""The port of the service's learners: they correct what a propensity model says, by action."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.settings import BanditSettings
from nba.bandits.trees import CorrectionForest


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What a learner makes of what a propensity model says of ``n`` candidates.

    ``logits`` ``(n,)`` are the model's, corrected; ``variances`` ``(n,)`` theirs, ``None`` where
    they are the model's own. ``rewards`` ``(n,)`` are added to expected rewards, in currency, and
    ``deviations`` ``(n,)`` are their standard deviations; ``None`` is a learner that corrects
    logits alone. ``members`` ``(m, n)`` are what each member of an ensemble adds instead.
    """

    logits: NDArray[np.float64]
    variances: NDArray[np.float64] | None = None
    rewards: NDArray[np.float64] | None = None
    deviations: NDArray[np.float64] | None = None
    members: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """What came of one choice, as a learner is told.

    ``model_logit`` is the propensity model's, ``z`` ``(k,)`` the situation's features in the
    settings' order, NaN where missing. ``label`` says whether the desired outcome came, ``reward``
    what came of the choice in currency, ``expected`` what the model alone expects of it.
    ``probability`` is the chance it was drawn with, among ``candidates``; ``worths`` ``(n,)`` are
    what the model alone holds each of those to be worth, costs deducted, in currency. ``effect`` is
    how often what stood there is looked at, as a share of the first rank: ``model_logit``,
    ``expected`` and ``worths`` are of where it stood, and what is learned is of the first.
    """

    action: str
    model_logit: float
    z: NDArray[np.float64]
    label: float
    reward: float
    expected: float
    probability: float = 1.0
    candidates: Sequence[str] = ()
    worths: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    effect: float = 1.0


class BoundLearner(Protocol):
    """What was learned about some candidates, frozen; later updates do not reach it."""

    def correct(self, model_logits: NDArray[np.float64], z: ArrayLike) -> Correction:
        """Return the correction of ``model_logits`` ``(n,)`` in a situation ``z`` ``(k,)``.

        Raises :class:`nba.errors.InputError` for another shape or what is not finite.
        """
        ...


class Learner(Protocol):
    """Learns where a propensity model is wrong, by action and online.

    Actions are known by their ids. The same observations in the same order give the same bytes,
    with :meth:`refit_if_due` after each. One without forests, or without a memory for them, has
    none of either for good.
    """

    settings: BanditSettings

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        ...

    @property
    def alarms(self) -> int:
        """How often it noticed that the world had changed."""
        ...

    @property
    def refits(self) -> int:
        """How often forests changed."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action registered, in the order in which they were."""
        ...

    @property
    def forests(self) -> Mapping[str, CorrectionForest]:
        """Forests of the actions that have one."""
        ...

    def count(self, action_id: str) -> float:
        """Return how much an action was observed, less what was forgotten."""
        ...

    def ensure(self, actions: Mapping[str, Sequence[str]]) -> None:
        """Register actions, each with its groups; those known keep what was learned.

        Groups are what a learner may share parameters by: see ``dimensions`` of the settings. An
        action that is known has the groups named last.
        """
        ...

    def learn(self, resolved: Resolved) -> None:
        """Learn from one choice; its action is registered where it is not known.

        Raises :class:`nba.errors.InputError` for what cannot be learned from, and then nothing is.
        """
        ...

    def expected_logit(self, action_id: str, model_logit: float, z: ArrayLike) -> float:
        """Return an action's logit as it is corrected now."""
        ...

    def start(self, action_id: str, kin: Sequence[str], groups: Sequence[str] = ()) -> bool:
        """Register an action where its kin have got to; ``False`` where it is known already.

        Kin that are not known do not count.
        """
        ...

    def restart(self, kin: Mapping[str, Sequence[str]]) -> None:
        """Start known actions again where the kin of each have got to."""
        ...

    def reset(self, action_ids: Collection[str]) -> None:
        """Forget everything about some actions; what others share stays as it is."""
        ...

    def refit_if_due(self) -> bool:
        """Fit forests anew where that is due; return whether it was."""
        ...

    def bind(self, action_ids: Sequence[str]) -> BoundLearner:
        """Return what is known now about candidates; one that is not known is at the prior."""
        ...

    def to_bytes(self, *, forests: bool = True, memory: bool = True) -> bytes:
        """Return the state, with or without forests and memory."""
        ...

    def forests_to_bytes(self) -> bytes:
        """Return the forests alone."""
        ...

    def take_forests(self, data: bytes) -> None:
        """Take forests over; :class:`nba.errors.CorruptRecordError` where the bytes are none."""
        ...

    def share_forests(self, other: Self) -> None:
        """Use the forests that another learner of the kind has, without copying them."""
        ...

    def remember(self, other: Self) -> None:
        """Take over what another learner of the kind remembers."""
        ...
