"""The plan: everything a decision depends on that is not the customer, compiled to arrays.

A plan is immutable and swapped whole. Its version is ``<artifact>.<snapshot>``: the digest of its
definitions and models, and the number of the bandit snapshot in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BanditSettings, BoundLearner, build_explorer
from nba.decision.arbitration import Arbitration, compile_arbitration
from nba.decision.artifact import PlanSource
from nba.decision.beside import LearnedBeside
from nba.decision.content_arbitration import ContentArbitration, compile_content_arbitration
from nba.decision.content_pools import ContentPools, PooledContents
from nba.decision.contents import PlacementContents, compile_contents
from nba.decision.goals import PlacementGoals, compile_goals
from nba.decision.learned import Learned
from nba.domain.catalog import Action, Catalog, Placement
from nba.domain.ids import NO_ACTION, ActionId, PlacementId, PlanVersion, hash32
from nba.domain.kinship import Kinship
from nba.domain.policy import Policy
from nba.expressions import Schema
from nba.features import CandidateTable, FeatureSet
from nba.models import BoundModel
from nba.policies import Candidates, GuardStack, PolicyKind, compile_guards

_MAX_LOGIT = 30.0


@dataclass(frozen=True, slots=True)
class PlacementModel:
    """A propensity model on the candidates of a placement it applies to, ``rows`` ``(m,)``."""

    name: str
    version: str
    bound: BoundModel
    rows: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPlan:
    """One placement, compiled; arrays run over its candidates, row 0 being ``no_action``.

    ``values`` are what desired outcomes are believed to bring, ``declared`` what the catalog says
    of it. ``weights`` are context weights; levers come from ``guards``, since they may end.
    ``goals`` is ``None`` where no candidate has any, ``content_arbitration`` where nothing is
    learned of contents.
    """

    placement: Placement
    code: int
    actions: tuple[Action, ...]
    action_ids: tuple[ActionId, ...]
    action_codes: tuple[int, ...]
    horizons_ms: tuple[int, ...]
    table: CandidateTable
    guards: GuardStack
    arbitration: Arbitration
    models: tuple[PlacementModel, ...]
    prior_logits: NDArray[np.float64]
    declared: NDArray[np.float64]
    values: NDArray[np.float64]
    goals: PlacementGoals | None
    weights: NDArray[np.float64]
    costs: NDArray[np.float64]
    contents: PlacementContents
    learner: BoundLearner
    content_arbitration: ContentArbitration | None

    @property
    def stacks(self) -> tuple[GuardStack, ...]:
        """All guardrails here: of actions, and of contents where there are any."""
        guards = self.contents.guards
        return (self.guards,) if guards is None else (self.guards, guards)

    def taught(
        self, learned: Learned, pooled: PooledContents, beside: LearnedBeside
    ) -> PlacementPlan:
        """Return the same with another state of what was learned, contents pooled."""
        chooses, goals = self.content_arbitration, self.goals
        return replace(
            self,
            values=_values(self.actions, beside),
            goals=None if goals is None else goals.taught(beside.bind_goals(self.actions)),
            learner=learned.actions.bind(self.action_ids),
            content_arbitration=None if chooses is None else chooses.taught(pooled),
        )

    def model_logits(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated logits, ``(n,)``; the prior of the action where no model applies.

        Where several apply, the last one declared counts.
        """
        logits = self.prior_logits.copy()
        for model in self.models:
            if len(model.rows) == len(logits):
                logits = model.bound.logits(row)
            else:
                logits[model.rows] = model.bound.logits(row, model.rows)
        return logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What the contact history notes besides contacts: kinds of outcomes, and names of events."""

    outcomes: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    @classmethod
    def by(cls, policies: Iterable[Policy]) -> Noted:
        """Return all that any of the policies looks for."""
        known = [policy for policy in policies if isinstance(policy, PolicyKind)]
        return cls(
            outcomes=frozenset(kind for policy in known for kind in policy.noted_outcomes()),
            events=frozenset(name for policy in known for name in policy.noted_events()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One immutable plan, ready to decide.

    ``noted`` is what policies look for in the contact history besides contacts. ``written`` is what
    profiles are written with where that is more than what decisions read:
    while another layout is on its way in. ``pools`` says which contents are kin, ``kinship`` which
    actions.
    """

    digest: str
    snapshot: int
    source: PlanSource
    placements: Mapping[PlacementId, PlacementPlan]
    bandit_columns: NDArray[np.intp]
    pools: ContentPools
    kinship: Kinship
    updates: int
    history_seconds: int
    noted: Noted
    action_ids: frozenset[ActionId]
    written: FeatureSet | None = None

    @property
    def version(self) -> PlanVersion:
        """The version every answer carries."""
        return PlanVersion(f"{self.digest}.{self.snapshot}")

    @property
    def catalog(self) -> Catalog:
        """The catalog in this plan."""
        return self.source.catalog

    @property
    def features(self) -> FeatureSet:
        """The feature definitions in this plan."""
        return self.source.features

    @property
    def writing(self) -> FeatureSet:
        """The definitions that profiles are written with."""
        return self.written or self.source.features

    def with_features(self, reading: FeatureSet, writing: FeatureSet) -> Plan:
        """Return the same plan, its profiles read and written with sets of the same definitions."""
        return replace(self, source=replace(self.source, features=reading), written=writing)

    def learner_inputs(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the situation features the online learner looks at, ``(k,)``."""
        return row[self.bandit_columns].astype(np.float64)

    def beside(self, learned: Learned) -> LearnedBeside:
        """Return what a state knows beside desired outcomes of this plan's actions, now."""
        return LearnedBeside(self.catalog, self.kinship, learned)

    def with_learner(self, learned: Learned, snapshot: int) -> Plan:
        """Return the same plan with another snapshot of the bandit's state."""
        given = learned, self.pools.pooled(learned.contents), self.beside(learned)
        placements = {name: slot.taught(*given) for name, slot in self.placements.items()}
        return replace(self, placements=placements, updates=learned.updates, snapshot=snapshot)


def compile_plan(
    source: PlanSource, *, digest: str, learned: Learned | None = None, snapshot: int = 0
) -> Plan:
    """Compile a plan; off the request path.

    Raises :class:`~nba.errors.DefinitionError` where definitions and models do not fit together.
    """
    learned = learned or new_learner(source.bandit)
    names: list[str] = list(source.features.names)
    schema = source.features.candidate_schema(
        source.catalog.actions,
        source.catalog.placements,
        terms=source.catalog.taxonomy.terms(),
    )
    pools = ContentPools(source.catalog.contents)
    kinship = Kinship(source.catalog.actions)
    given = learned, pools.pooled(learned.contents), LearnedBeside(source.catalog, kinship, learned)
    placements = {
        placement.id: _compile_placement(source, placement, schema, *given)
        for placement in source.catalog.placements
    }
    stacks = [stack for slot in placements.values() for stack in slot.stacks]
    windows = [stack.max_window_seconds for stack in stacks]
    return Plan(
        digest=digest,
        snapshot=snapshot,
        source=source,
        placements=placements,
        bandit_columns=np.array([names.index(n) for n in source.bandit.features], dtype=np.intp),
        pools=pools,
        kinship=kinship,
        updates=learned.updates,
        history_seconds=max(*windows, source.features.contact_seconds, 0),
        noted=Noted.by(source.policies),
        action_ids=frozenset(action.id for action in source.catalog.actions),
    )


def new_learner(settings: BanditSettings) -> Learned:
    """Return a state that has seen nothing: it believes the propensity model."""
    return Learned.nothing(settings)


def _compile_placement(
    source: PlanSource,
    placement: Placement,
    candidates: Schema,
    learned: Learned,
    pooled: PooledContents,
    beside: LearnedBeside,
) -> PlacementPlan:
    catalog = source.catalog
    here = [content for content in catalog.contents if placement.id in content.placements]
    shown = {content.action for content in here}
    nothing = next(action for action in catalog.actions if action.id == NO_ACTION)
    actions = (nothing, *(a for a in catalog.actions if a.id in shown and not a.is_no_action))
    table = source.features.candidates(actions, placement, schema=candidates)
    schema = {**source.features.schema(), **candidates}
    guards = compile_guards(
        source.policies,
        Candidates(placement=placement, actions=actions, columns=table.symbols),
        schema,
        catalog=catalog,
    )
    action_ids = tuple(action.id for action in actions)
    arbitration = _arbitration(source, placement, actions)
    contents = compile_contents(source, placement, actions, here, table.symbols, schema)
    base_rates = np.array([action.base_rate for action in actions])
    return PlacementPlan(
        placement=placement,
        code=hash32(placement.id),
        actions=actions,
        action_ids=action_ids,
        action_codes=tuple(hash32(action.id) for action in actions),
        horizons_ms=tuple(round(a.horizon.total_seconds() * 1_000) for a in actions),
        table=table,
        guards=guards,
        arbitration=arbitration,
        models=_bind_models(source, placement, actions, table),
        prior_logits=np.log(base_rates / (1.0 - base_rates)),
        declared=np.array([action.value for action in actions]),
        values=_values(actions, beside),
        goals=compile_goals(actions, beside),
        weights=np.where(np.arange(len(actions)) == 0, 1.0, placement.context_weight),
        costs=np.array([action.cost for action in actions]),
        contents=contents,
        learner=learned.actions.bind(action_ids),
        content_arbitration=compile_content_arbitration(
            placement,
            contents,
            source.bandit,
            explorer=arbitration.explorer,
            reward_scale=arbitration.reward_scale,
            learned=pooled,
        ),
    )


def _values(actions: tuple[Action, ...], beside: LearnedBeside) -> NDArray[np.float64]:
    """Return what the desired outcome of each action is believed to bring, in currency."""
    return np.array([beside.value(action) for action in actions])


def _arbitration(
    source: PlanSource, placement: Placement, actions: tuple[Action, ...]
) -> Arbitration:
    highest = max((action.value for action in source.catalog.actions), default=1.0)
    return compile_arbitration(
        placement,
        actions,
        explorer=build_explorer(source.bandit),
        reward_scale=source.bandit.reward_scale or max(highest, 1e-9),
    )


def _bind_models(
    source: PlanSource, placement: Placement, actions: tuple[Action, ...], table: CandidateTable
) -> tuple[PlacementModel, ...]:
    bound = []
    for selector, model in source.models:
        rows = [
            row
            for row, action in enumerate(actions)
            if action.is_no_action or selector.matches(action, placement)
        ]
        binding = model.bind(
            source.features.names,
            source.features.categories,
            table.names,
            table.categories,
            table.columns,
            crosses=table.crosses,
        )
        bound.append(
            PlacementModel(model.name, model.version, binding, np.array(rows, dtype=np.intp))
        )
    return tuple(bound)
