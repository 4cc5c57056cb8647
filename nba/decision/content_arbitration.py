"""Which of an action's variants is shown: by what each is expected to bring, within its own bounds.

The variants are those left after locale, guards and rotation. The learner of contents corrects the
chosen action's own logit, so a content is as good as its action where nothing is known of it or its
kin. The plan's
explorer turns expected values, on the scale of actions, into probabilities; of these a share is
spread evenly over the variants, so that none is ever given up.

Where the placement goes by rules nothing is learned and each variant is as likely as another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BanditSettings, BoundLogistic, Explorer, project
from nba.decision.content_pools import PooledContents
from nba.decision.contents import PlacementContents
from nba.decision.kernels import content_values
from nba.domain.catalog import Autonomy, Placement
from nba.domain.ids import ContentId
from nba.errors import Fault, InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentArbitration:
    """How one placement of one plan chooses among the variants of the action chosen.

    Parameters
    ----------
    explorer, reward_scale
        Those of the plan; ``reward_scale`` is in currency.
    floor
        The share of probability that is spread evenly.
    competing
        Contents that have another beside them, ``(m,)``.
    columns
        ``(n_contents,)``: where each content of the placement stands among them, else -1.
    learner
        What was learned of them.
    counts
        ``(m,)``: how much each was observed.

    """

    explorer: Explorer
    reward_scale: float
    floor: float
    competing: tuple[ContentId, ...]
    columns: NDArray[np.intp]
    learner: BoundLogistic
    counts: FloatArray

    def propensities(self, variants: NDArray[np.intp], logit: float, z: FloatArray) -> FloatArray:
        """Return the propensity with each variant, ``(n,)``.

        ``variants`` ``(n,)`` are rows of the placement's contents that compete, ``logit`` is the
        action's learned logit, ``z`` ``(k,)`` the features the learner looks at.

        Raises :class:`InputError` where the logit, a feature or what was learned is not finite.
        """
        return self._valued(self.columns[variants], logit, z, 1.0)[0]

    def probabilities(
        self, variants: NDArray[np.intp], logit: float, z: FloatArray, stake: float
    ) -> FloatArray:
        """Return the chance of each of ``n`` > 1 variants, given the action, ``(n,)``.

        ``stake`` is the action's value x weight, in currency; its cost is the same for all. How
        far exploration has come is counted in observations of these variants alone. Other
        arguments and errors are those of :meth:`propensities`.
        """
        columns = self.columns[variants]
        _, values, deviations = self._valued(columns, logit, z, stake / self.reward_scale)
        chances = self.explorer.probabilities(
            values,
            updates=int(self.counts[columns].sum()),
            deviations=deviations if self.explorer.uses_deviations else None,
        )
        n = len(variants)
        return project(chances, np.full(n, self.floor / n), np.ones(n))

    def _valued(
        self, columns: NDArray[np.intp], logit: float, z: FloatArray, scale: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        logits, variances = self.learner.among(columns).estimate(np.full(len(columns), logit), z)
        propensities, values, deviations, finite = content_values(logits, variances, scale)
        if not finite:
            found = f"found logits {logits.tolist()}"
            raise InputError([Fault("/contents", found, "finite numbers are expected")])
        return propensities, values, deviations

    def taught(self, learned: PooledContents) -> ContentArbitration:
        """Return the same by another state of what was learned."""
        counts = np.array([learned.count(content) for content in self.competing])
        return replace(self, learner=learned.bind(self.competing), counts=counts)


def probabilities_or_even(
    arbitration: ContentArbitration | None,
    variants: NDArray[np.intp],
    logit: float,
    z: FloatArray,
    stake: float,
) -> tuple[FloatArray, bool]:
    """Return the chance of each variant, ``(n,)``, and whether what was learned could be used.

    They are even where there is nothing to go by, or what there is has broken.
    """
    even = np.full(len(variants), 1.0 / len(variants))
    if arbitration is None or len(variants) == 1:
        return even, True
    try:
        return arbitration.probabilities(variants, logit, z, stake), True
    except InputError:
        return even, False


def compile_content_arbitration(
    placement: Placement,
    contents: PlacementContents,
    settings: BanditSettings,
    *,
    explorer: Explorer,
    reward_scale: float,
    learned: PooledContents,
) -> ContentArbitration | None:
    """Return how a placement chooses among variants; ``None`` where it does not.

    That is where it goes by rules, or no action has two contents in one locale.
    """
    if placement.autonomy is Autonomy.RULES:
        return None
    rows = contents.competing
    if not rows:
        return None
    columns = np.full(len(contents.rows), -1, dtype=np.intp)
    columns[list(rows)] = np.arange(len(rows))
    competing = tuple(contents.rows[row].id for row in rows)
    return ContentArbitration(
        explorer=explorer,
        reward_scale=reward_scale,
        floor=settings.content_floor,
        competing=competing,
        columns=columns,
        learner=learned.bind(competing),
        counts=np.array([learned.count(content) for content in competing]),
    )
