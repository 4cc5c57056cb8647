"""Teaching the bandit from resolutions, off the request path.

The state is a correction of the live propensity models, so it starts afresh when a model is
promoted, and is taught at once what was decided after the data that model was trained on.

Of a content it learns what that changes about its action's own learned logit, as that was before
the label was known; and only where another could have been shown, as else nothing comes of it.
When the world has changed, what is left of contents and goals is what is left of actions.

A learner of rewards learns of them as the ledger has them, with what goals and amounts brought. One
that corrects logits knows of the desired outcome alone; so how often each goal is met, and what a
desired outcome brings, is learned beside it (:mod:`nba.decision.beside`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nba.bandits import CorrectionFitter, Learner, Resolved
from nba.bandits.change import SHRUNK_TO
from nba.decision.learned import EVERYTHING, Learned, Origin
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.positions import logits_at
from nba.domain.catalog import Action, Autonomy
from nba.domain.ids import NO_ACTION, ActionId, ContentId, PlacementId
from nba.worker.lessons import Lesson
from nba.worker.pointing import state_key


class PlanLearner:
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
            catalog = plan.catalog
            learned = Learned.nothing(plan.source.bandit, fitter, origin)
            learned.actions.ensure({action.id: self._groups(action) for action in catalog.actions})
            learned.contents.ensure(self._contents())
        self.learned = learned

    @property
    def state(self) -> Learner:
        """What was learned of actions."""
        return self.learned.actions

    def _contents(self) -> list[ContentId]:
        """Return every content that something is learned of, in the catalog's order."""
        wanted = frozenset[str]().union(*self._competing.values())
        return [content.id for content in self.plan.catalog.contents if content.id in wanted]

    def learn(self, lesson: Lesson) -> bool:
        """Learn one resolved choice; ``False`` where there is nothing to learn.

        That is where the plan no longer knows the action there, or the placement goes by rules,
        which nothing that is learned changes.
        """
        slot = self.plan.placements.get(PlacementId(lesson.placement))
        if slot is None or lesson.action not in slot.action_ids:
            return False
        if slot.placement.autonomy is Autonomy.RULES:
            return False
        resolved = _resolved(self.plan, slot, lesson)
        if not np.isfinite(resolved.model_logit):
            return False
        about = lesson.action, resolved.model_logit, resolved.z
        expected, content = None, lesson.content
        if content in self._competing.get(slot.placement.id, ()):
            expected = self.state.expected_logit(*about)
        alarms = self.state.alarms
        self.state.learn(resolved)
        if lesson.action != NO_ACTION:
            self.learned.ranks.note(slot.placement, lesson.rank)
        if self.state.alarms != alarms:
            self.learned.contents.widen(SHRUNK_TO)
            self.learned.goals.widen(SHRUNK_TO)
        if content is not None and expected is not None and np.isfinite(expected):
            self.learned.contents.update(content, expected, resolved.z, lesson.label)
        if self.plan.source.bandit.learner == "logistic":
            self._learn_beside(slot, lesson, resolved.z)
        return True

    def _learn_beside(self, slot: PlacementPlan, lesson: Lesson, z: NDArray[np.float64]) -> None:
        """Learn which goals were met, of those that are known of, and what was brought."""
        row = slot.action_ids.index(ActionId(lesson.action))
        beside = self.plan.beside(self.learned)
        if slot.goals is not None:
            logits = slot.goals.base_logits(slot.placement.effect_at(lesson.rank))
            for at in slot.goals.of(row):
                kind = slot.goals.kinds[at]
                if kind in lesson.goals or kind in lesson.missed:
                    met = float(kind in lesson.goals)
                    beside.start_goal(slot.actions[row], kind)
                    self.learned.goals.update(slot.goals.keys[at], float(logits[at]), z, met)
        cap = slot.actions[row].value_cap
        if lesson.amount is not None and cap is not None:
            beside.start_amounts(slot.actions[row])
            self.learned.amounts.observe(lesson.action, lesson.amount, cap=cap)

    def start_new(self) -> int:
        """Start actions where their kin have got to, and contents; return how many are new."""
        known = set(self.state.actions)
        new = [action for action in self.plan.catalog.actions if action.id not in known]
        started = sum(
            self.state.start(a.id, self.plan.kinship.of(a, known), self._groups(a)) for a in new
        )
        return started + self._start_contents()

    def _groups(self, action: Action) -> list[str]:
        """Return the top terms of an action by which learners may share what they know."""
        found = {
            f"{dimension}:{action.term_in(dimension, depth=1)}"
            for dimension in self.plan.source.bandit.dimensions
            if action.term_in(dimension, depth=1) is not None
        }
        return sorted(found)

    def _start_contents(self) -> int:
        """Register what is new; what its kin have learned counts when it is decided."""
        learned = self.learned.contents
        known = frozenset(learned.actions)
        new = [name for name in self._contents() if name not in known]
        learned.ensure(new)
        return len(new)

    def study(self, lessons: Iterable[Lesson]) -> int:
        """Learn lessons in order, refits included; return how many taught something."""
        taught = 0
        for lesson in lessons:
            taught += self.learn(lesson)
            self.state.refit_if_due()
        return taught


def _resolved(plan: Plan, slot: PlacementPlan, lesson: Lesson) -> Resolved:
    """Return a lesson as learners are told it, beside what the models alone say of it.

    That is what they say at the rank it stood at.
    """
    logits = logits_at(slot.placement, slot.model_logits(lesson.row), lesson.rank)
    rewards = slot.declared / (1.0 + np.exp(-logits))
    if slot.goals is not None:
        rewards += slot.goals.base_worths(slot.placement.effect_at(lesson.rank))
    rows = {action: row for row, action in enumerate(slot.action_ids)}
    chosen = rows[ActionId(lesson.action)]
    known = [rows[ActionId(name)] for name in lesson.candidates if name in rows]
    left = [row for row in known if np.isfinite(logits[row])]
    if chosen not in left:  # another system may have taken what was not left here
        left.append(chosen)
    return Resolved(
        action=lesson.action,
        model_logit=float(logits[chosen]),
        z=plan.learner_inputs(lesson.row),
        label=lesson.label,
        reward=lesson.reward,
        expected=float(rewards[chosen]),
        probability=lesson.probability,
        effect=1.0 if chosen == 0 else slot.placement.effect_at(lesson.rank),
        candidates=[slot.action_ids[row] for row in left],
        worths=(rewards - slot.costs)[left],
    )


def _competing(plan: Plan) -> dict[PlacementId, frozenset[str]]:
    """Return the contents of each placement that something is learned of there."""
    return {
        name: frozenset(slot.content_arbitration.competing)
        for name, slot in plan.placements.items()
        if slot.content_arbitration is not None
    }
