"""Teaching the bandit from resolutions, off the request path.

The state is a correction of the live propensity models, so it starts afresh when a model is
promoted, and is taught at once what resolved after the data that model was trained on.

Of a content it learns what that changes about its action's own learned logit, as that was before
the label was known; and only where another could have been shown, as else nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits import CorrectionFitter, HybridLearner
from nba.decision.learned import Learned
from nba.decision.plan import Plan
from nba.domain.catalog import Autonomy
from nba.domain.ids import ContentId, PlacementId
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import START, ordinal
from nba.ledger.sealing import SEALED_COLUMN
from nba.worker.kinship import content_kin_of, kin_of
from nba.worker.pointing import state_key
from nba.worker.rows import SITUATION_PREFIX

MAX_WARM_ROWS = 50_000
"""Latest resolutions a fresh state is taught from the log."""


class Learner:
    """An online learner bound to a plan; what it knows goes out as snapshots.

    ``positions`` says for each partition how far in the ledger it has learned.
    """

    def __init__(
        self,
        plan: Plan,
        learned: Learned | None,
        positions: Mapping[str, str],
        fitter: CorrectionFitter | None = None,
    ) -> None:
        self.plan = plan
        self.key = state_key(plan.source)
        self._competing = _competing(plan)
        if learned is None:
            learned = Learned.nothing(plan.source.bandit, fitter)
            learned.actions.online.ensure(action.id for action in plan.catalog.actions)
            learned.contents.ensure(self._contents())
        self.learned = learned
        self.positions = dict(positions)

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
    ) -> bool:
        """Learn one resolved choice; ``False`` where there is nothing to learn.

        That is where the plan no longer knows the action there, or the placement goes by rules,
        which nothing that is learned changes. ``row`` is the feature row the decision used, in this
        plan's order.
        """
        slot = self.plan.placements.get(PlacementId(placement))
        if slot is None or action not in slot.action_ids:
            return False
        if slot.placement.autonomy is Autonomy.RULES:
            return False
        logit = float(slot.model_logits(row)[slot.action_ids.index(action)])
        if not np.isfinite(logit):
            return False
        z = self.plan.learner_inputs(row)
        expected = None
        if content in self._competing.get(slot.placement.id, ()):
            expected = self._expected(action, logit, z)
        self.state.update(action, logit, z, label)
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

    def warm(self, log: DecisionLog) -> int:
        """Teach a fresh state what the log holds that the live models were not trained on.

        Forests are not fitted; they are due afterwards where that was enough.
        """
        trained = [model.trained_through_ms for _, model in self.plan.source.models]
        since = datetime.fromtimestamp(max(trained, default=0) / 1_000, UTC)
        taught = 0
        rows = _resolved_since(log, since)
        if any(column.startswith(SEALED_COLUMN) for column in rows.columns):
            inputs = {entry.name for _, model in self.plan.source.models for entry in model.inputs}
            rows = log.sealer.open_columns(rows, inputs)
        for row in rows.iter_rows(named=True):
            named: dict[str, float | str | None] = {
                name: row.get(SITUATION_PREFIX + name) for name in self.plan.features.names
            }
            about = row["placement"], row["action"], row["label"], row["content"]
            taught += self.learn(self.row_of(named), *about)
        return taught

    def knows(self, partition: int, position: str) -> bool:
        """Whether what stands at a position of the ledger was learned."""
        return ordinal(position) <= ordinal(self.positions.get(str(partition), START))

    def reach(self, partition: int, position: str) -> None:
        """Note how far a partition of the ledger was learned from; never further back."""
        if not self.knows(partition, position):
            self.positions[str(partition)] = position

    def row_of(self, named: Mapping[str, float | str | None]) -> NDArray[np.float32]:
        """Return named feature values as a row of this plan; what it does not have is missing."""
        features = self.plan.features
        values = np.full(len(features.names), np.nan, dtype=np.float32)
        for position, name in enumerate(features.names):
            value = named.get(name)
            if isinstance(value, str):
                categories = features.categories.get(name, ())
                values[position] = categories.index(value) if value in categories else np.nan
            elif isinstance(value, int | float):
                values[position] = value
        return values


def _competing(plan: Plan) -> dict[PlacementId, frozenset[str]]:
    """Return the contents of each placement that something is learned of there."""
    return {
        name: frozenset(slot.content_arbitration.competing)
        for name, slot in plan.placements.items()
        if slot.content_arbitration is not None
    }


def _resolved_since(log: DecisionLog, since: datetime) -> pl.DataFrame:
    resolutions = (
        log.scan(LogTable.RESOLUTIONS)
        .filter(pl.col("kind").is_in(["rewarded", "expired"]))
        .select("decision_id", "choice", "label", resolved_at="at")
    )
    return (
        log.scan(LogTable.DECISIONS)
        .filter(pl.col("at") > since)
        .join(resolutions, on=["decision_id", "choice"])
        .sort("resolved_at", "decision_id", "choice")
        .tail(MAX_WARM_ROWS)
        .collect()
    )
