"""What is known beside desired outcomes: of goals and amounts, taken over from kin where need be.

What nothing was learned of yet is believed to be as with its kin, the actions that share its
narrowest term and have something to show; that follows what is learned of them. With its own first
observation it starts from there, and keeps that start. So a state depends on nothing but what was
learned and on the catalog, and not on when an action was published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nba.bandits import BoundLogistic
from nba.decision.learned import Learned
from nba.domain.catalog import Action, Catalog, ValueFrom
from nba.domain.ids import ActionId, Term
from nba.domain.kinship import Kinship

_AMOUNTS = ""
"""No kind of outcome: amounts are known of whose desired outcomes brought any."""


def goal_key(action: ActionId, kind: str) -> str:
    """Return the name under which it is learned how often a goal is met."""
    return f"{action}:{kind}"


def goals_of(actions: Sequence[Action]) -> Iterator[tuple[Action, str, str]]:
    """Iterate over all goals of actions in their order: action, kind and name."""
    for action in actions:
        for kind in action.goals:
            yield action, kind, goal_key(action.id, kind)


def goal_keys(actions: Sequence[Action]) -> list[str]:
    """Return the names of all goals of actions, in their order."""
    return [key for _, _, key in goals_of(actions)]


class LearnedBeside:
    """What a state knows beside desired outcomes, of the actions of a catalog.

    It is of one moment: who has something to show is looked up once. ``kinship`` is that of the
    catalog's actions.
    """

    def __init__(self, catalog: Catalog, kinship: Kinship, learned: Learned) -> None:
        self._actions = catalog.actions
        self._kinship = kinship
        self._goals = learned.goals
        self._amounts = learned.amounts
        self._known: dict[str, dict[ActionId, float]] = {}
        self._kin: dict[tuple[str, tuple[Term, ...]], tuple[ActionId, ...]] = {}

    def bind_goals(self, actions: Sequence[Action]) -> BoundLogistic:
        """Return what is known now of all goals of actions, in their order."""
        keys = goal_keys(actions)
        towards = np.zeros((len(keys), len(self._goals.inherited([]))))
        for row, (action, kind, key) in enumerate(goals_of(actions)):
            if not self._goals.knows(key):
                towards[row] = self._goals.inherited(self._kin_of_goal(action, kind))
        return self._goals.bind(keys, towards if towards.any() else None)

    def value(self, action: Action) -> float:
        """Return what the desired outcome of an action is believed to bring, in currency."""
        if action.value_from is not ValueFrom.OUTCOMES:
            return action.value
        start = 1.0
        if not self._amounts.knows(action.id):
            start = self._amounts.inherited(self._kin_of_amounts(action), most=_most(action))
        return self._amounts.mean(action.id, action.value * start)

    def start_goal(self, action: Action, kind: str) -> None:
        """Let a goal of which nothing was learned start where its kin have got to."""
        key = goal_key(action.id, kind)
        if not self._goals.knows(key):
            self._goals.start(key, self._kin_of_goal(action, kind))

    def start_amounts(self, action: Action) -> None:
        """Let what a desired outcome brings start where that of its kin has got to."""
        if not self._amounts.knows(action.id):
            self._amounts.start(action.id, self._kin_of_amounts(action), most=_most(action))

    def forget(self, actions: Sequence[Action], *, warm: bool) -> None:
        """Let actions start again, with ``warm`` where their kin have got to.

        They are no kin of one another. Without it they start at what is declared.
        """
        keys = goal_keys(actions)
        self._goals.ensure(keys)
        self._goals.forget(keys)
        self._amounts.forget(action.id for action in actions)
        if not warm:
            return
        for action, kind, key in goals_of(actions):
            self._goals.inherit(key, self._kin_of_goal(action, kind))
        for action in actions:
            self._amounts.inherit(action.id, self._kin_of_amounts(action), most=_most(action))

    def _kin_of_goal(self, action: Action, kind: str) -> list[str]:
        return [goal_key(name, kind) for name in self._kin_by(action, kind)]

    def _kin_of_amounts(self, action: Action) -> dict[str, float]:
        """Return the declared values of kin that amounts were reported of."""
        declared = self._known_of(_AMOUNTS)
        return {name: declared[name] for name in self._kin_by(action, _AMOUNTS)}

    def _kin_by(self, action: Action, kind: str) -> tuple[ActionId, ...]:
        """Return the kin of an action that is not known itself; who carries the same has the same.

        Bound again every few seconds, that would take long among hundreds of actions.
        """
        if action.is_no_action:
            return ()
        about = kind, action.terms
        if about not in self._kin:
            self._kin[about] = self._kinship.of(action, self._known_of(kind))
        return self._kin[about]

    def _known_of(self, kind: str) -> dict[ActionId, float]:
        """Return the declared values of actions that have something to show of a kind."""
        if kind not in self._known:
            shows = self._shows_amounts if kind == _AMOUNTS else self._shows_goal
            self._known[kind] = {a.id: a.value for a in self._actions if shows(a, kind)}
        return self._known[kind]

    def _shows_goal(self, action: Action, kind: str) -> bool:
        return self._goals.count(goal_key(action.id, kind)) > 0.0

    def _shows_amounts(self, action: Action, _: str) -> bool:
        return action.value > 0.0 and self._amounts.count(action.id) > 0.0


def _most(action: Action) -> float:
    """Return how many times the declared value an amount counts at most."""
    if action.value_cap is None or action.value <= 0.0:
        return 1.0
    return action.value_cap / action.value
