"""Teaching the bandit from resolutions, off the request path.

The state is a correction of the live propensity models, so it starts afresh when a model is
promoted, and is taught at once what was decided after the data that model was trained on.

Of a content it learns what that changes about its action's own learned logit, as that was before
the label was known; and only where another could have been shown, as else nothing comes of it.
When the world has changed, what is left of contents is what is left of actions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nba.bandits import CorrectionFitter, HybridLearner
from nba.bandits.hybrid import SHRUNK_TO
from nba.decision.learned import EVERYTHING, Learned, Origin
from nba.decision.plan import Plan
from nba.decision.positions import logits_at
from nba.domain.catalog import Autonomy
from nba.domain.ids import ContentId, PlacementId
from nba.worker.kinship import content_kin_of, kin_of
from nba.worker.lessons import Lesson
from nba.worker.pointing import state_key


class Learner:
    """An online learner bound to a plan; what it knows goes out as snapshots.

    Without something ``learned`` it has seen nothing; ``origin`` says from where on it is going to
    learn.
    """

    def __init__(
        self,
        plan: Plan,
        learned: Learned | None = None,
        fitter: CorrectionFitter | None = None,
        *,
        origin: Origin = EVERYTHING,
    ) -> None:
        self.plan = plan
        self.key = state_key(plan.source)
        self._competing = _competing(plan)
        if learned is None:
            learned = Learned.nothing(plan.source.bandit, fitter, origin)
            learned.actions.online.ensure(action.id for action in plan.catalog.actions)
            learned.contents.ensure(self._contents())
        self.learned = learned

    @property
    def state(self) -> HybridLearner:
        """What was learned of actions."""
        return self.learned.actions

    def _contents(self) -> list[ContentId]:
        """Return every content that something is learned of, in the catalog's order."""
        wanted = frozenset[str]().union(*self._competing.values())
        return [content.id for content in self.plan.catalog.contents if content.id in wanted]

    def learn(
        self,
        row: NDArray[np.float32],
        placement: str,
        action: str,
        label: float,
        content: str | None = None,
        rank: int = 1,
    ) -> bool:
        """Learn one resolved choice; ``False`` where there is nothing to learn.

        That is where the plan no longer knows the action there, or the placement goes by rules,
        which nothing that is learned changes. ``row`` is the feature row the decision used, in this
        plan's order. What is learned corrects what the models say at the ``rank`` it stood at.
        """
        slot = self.plan.placements.get(PlacementId(placement))
        if slot is None or action not in slot.action_ids:
            return False
        if slot.placement.autonomy is Autonomy.RULES:
            return False
        logits = logits_at(slot.placement, slot.model_logits(row), rank)
        logit = float(logits[slot.action_ids.index(action)])
        if not np.isfinite(logit):
            return False
        z = self.plan.learner_inputs(row)
        expected = None
        if content in self._competing.get(slot.placement.id, ()):
            expected = self._expected(action, logit, z)
        alarms = self.state.alarms
        self.state.update(action, logit, z, label)
        if self.state.alarms != alarms:
            self.learned.contents.widen(SHRUNK_TO)
        if content is not None and expected is not None and np.isfinite(expected):
            self.learned.contents.update(content, expected, z, label)
        return True

    def _expected(self, action: str, model_logit: float, z: NDArray[np.float64]) -> float:
        """Return an action's own learned logit, as deciding would now."""
        if action not in self.state.forests:
            return self.state.online.predict(action, model_logit, z)[0]
        return float(self.state.bind([action]).logits(np.array([model_logit]), z)[0])

    def start_new(self) -> int:
        """Start what is new where its kin have got to; return how many actions and contents."""
        known = set(self.state.online.actions)
        actions = self.plan.catalog.actions
        new = [action for action in actions if action.id not in known]
        started = sum(self.state.start(a.id, kin_of(a, actions, known)) for a in new)
        return started + self._start_contents()

    def _start_contents(self) -> int:
        learned = self.learned.contents
        known = frozenset(learned.actions)
        wanted = frozenset(self._contents()) - known
        catalog = self.plan.catalog
        return sum(
            learned.start(content.id, content_kin_of(content, catalog.contents, known))
            for content in catalog.contents
            if content.id in wanted
        )

    def study(self, lessons: Iterable[Lesson]) -> int:
        """Learn lessons in order, refits included; return how many taught something."""
        taught = 0
        for lesson in lessons:
            about = lesson.placement, lesson.action, lesson.label, lesson.content, lesson.rank
            taught += self.learn(lesson.row, *about)
            self.state.refit_if_due()
        return taught


def _competing(plan: Plan) -> dict[PlacementId, frozenset[str]]:
    """Return the contents of each placement that something is learned of there."""
    return {
        name: frozenset(slot.content_arbitration.competing)
        for name, slot in plan.placements.items()
        if slot.content_arbitration is not None
    }
