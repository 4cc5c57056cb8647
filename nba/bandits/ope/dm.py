"""The direct method."""

from __future__ import annotations

from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.terms import RESTS_ON_MODEL, Terms, mean_terms


@dataclass(frozen=True, slots=True)
class DM:
    """Mean of what the reward model expects of the target: as right as that model, no more.

    Its interval covers who was logged, not how wrong the model is: every estimate and comparison by
    it says so, and no comparison by it establishes anything.
    """

    name: str = "DM"

    def terms(
        self,
        data: LoggedData,  # noqa: ARG002 - part of the protocol; the logged rewards are not used
        target: Target,
    ) -> Terms:
        """Return the sums the estimate is made of."""
        return mean_terms(target.reward_model()[1], RESTS_ON_MODEL)
