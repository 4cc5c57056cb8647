"""Selectors as masks: the part about actions, about contents, and about placements.

A selector is a conjunction of all, so something is selected where all masks are true; that takes
as many matches as there are actions, contents and placements together, not one for every pair. A
large catalog is selected from by thousands of selectors, so its words are looked up in an index.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Content, MessageClass, Placement
from nba.domain.ids import ActionId
from nba.domain.policy import Selector
from nba.policies.order import CONCERNS, Concern

Mask = NDArray[np.bool_]

_ANY_ACTION = Action(id=ActionId(""), name="")
_KEPT_INDICES = 8


class _Index:
    """Where the words that selectors name are among actions."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self.n = len(actions)
        self.nothing = np.array([action.is_no_action for action in actions], dtype=np.bool_)
        ids: dict[str, list[int]] = defaultdict(list)
        terms: dict[str, list[int]] = defaultdict(list)
        classes: dict[str, list[int]] = defaultdict(list)
        for row, action in enumerate(actions):
            ids[action.id].append(row)
            classes[action.message_class].append(row)
            for term in action.terms:
                for word in _upwards(term):
                    terms[word].append(row)
        self._rows = {"ids": ids, "terms": terms, "classes": classes}

    def any_of(self, kind: str, words: Iterable[str]) -> Mask:
        """Return which actions have one of some words, ``(n_actions,)``."""
        mask = np.zeros(self.n, dtype=np.bool_)
        rows = self._rows[kind]
        for word in words:
            mask[rows.get(word, [])] = True
        return mask


_indices: OrderedDict[int, tuple[tuple[Action, ...], _Index]] = OrderedDict()
_lock = Lock()


def _index_of(actions: Sequence[Action]) -> _Index:
    """Return the index of actions; of the same tuple, which never changes, it is kept."""
    if not isinstance(actions, tuple):
        return _Index(actions)
    with _lock:
        kept = _indices.get(id(actions))
        if kept is not None:
            _indices.move_to_end(id(actions))
            return kept[1]
    index = _Index(actions)
    with _lock:
        _indices[id(actions)] = (actions, index)  # what is held keeps its id to itself
        while len(_indices) > _KEPT_INDICES:
            _indices.popitem(last=False)
    return index


def select_actions(selector: Selector, actions: Sequence[Action]) -> Mask:
    """Return which actions are selected wherever the placement is, ``(n_actions,)``."""
    index = _index_of(actions)
    mask: Mask = ~index.nothing
    for kind, words in (
        ("ids", selector.actions),
        ("terms", selector.terms),
        ("classes", selector.message_classes),
    ):
        if words:
            mask &= index.any_of(kind, words)
    for kind, words in (("ids", selector.except_actions), ("terms", selector.except_terms)):
        if words:
            mask &= ~index.any_of(kind, words)
    return mask


def concerned(kind: str, selector: Selector, actions: Sequence[Action]) -> Mask:
    """Return which actions policies of a kind may do anything to, ``(n_actions,)``.

    It is :func:`nba.policies.order.concerns` of all at once.
    """
    index = _index_of(actions)
    mask = np.zeros(index.n, dtype=np.bool_)
    for message_class in MessageClass:
        concern = CONCERNS[kind][message_class]
        if concern is Concern.NEVER:
            continue
        those = index.any_of("classes", [message_class])
        if concern is Concern.NAMED and message_class not in selector.message_classes:
            those &= index.any_of("ids", selector.actions)
        mask |= those
    return mask


def select_contents(selector: Selector, contents: Sequence[Content]) -> Mask:
    """Return which contents are selected whatever their action is, ``(n_contents,)``."""
    if not selector.is_about_contents:
        return np.ones(len(contents), dtype=np.bool_)
    return np.array([selector.matches_content(content) for content in contents], dtype=np.bool_)


def select_placements(selector: Selector, placements: Sequence[Placement]) -> Mask:
    """Return which placements are selected whatever the action is, ``(n_placements,)``."""
    part = Selector(
        channels=selector.channels,
        placements=selector.placements,
        directions=selector.directions,
    )
    return np.array([part.matches(_ANY_ACTION, place) for place in placements], dtype=np.bool_)


def _upwards(term: str) -> Iterable[str]:
    """Yield a term and every term above it."""
    dimension, _, path = term.partition(":")
    levels = path.split("/")
    for depth in range(1, len(levels) + 1):
        yield f"{dimension}:{'/'.join(levels[:depth])}"
