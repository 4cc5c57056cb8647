"""What is checked: the definitions a change would make live, looked up once for all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nba.control.lint.selecting import Mask, Selection, Words
from nba.decision.artifact import PlanSource
from nba.domain.catalog import Action, Content, Placement
from nba.domain.policy import Selector
from nba.domain.validity import bounds_ms
from nba.expressions import Schema
from nba.policies.kind import PolicyKind

T = TypeVar("T")


class Span(NamedTuple):
    """From when until when something holds, ms since the epoch; ``None`` is open."""

    starts_ms: int | None
    ends_ms: int | None

    def over(self, at_ms: int) -> bool:
        """Whether it holds no more, and never again."""
        return self.ends_ms is not None and self.ends_ms <= at_ms

    def overlaps(self, other: Span) -> bool:
        """Whether both hold at some moment."""
        return not any(
            one.ends_ms is not None and two.starts_ms is not None and one.ends_ms <= two.starts_ms
            for one, two in ((self, other), (other, self))
        )

    def covers(self, other: Span) -> bool:
        """Whether it holds whenever the other does."""
        begins = self.starts_ms is None or (
            other.starts_ms is not None and self.starts_ms <= other.starts_ms
        )
        lasts = self.ends_ms is None or (
            other.ends_ms is not None and other.ends_ms <= self.ends_ms
        )
        return begins and lasts


def span_of(item: Action | Content | PolicyKind) -> Span:
    """Return from when until when an action, a content or a policy holds."""
    return Span(*bounds_ms(item.starts, item.ends))


class Subject:
    """One change to check, and what checks ask of it.

    Parameters
    ----------
    before, after
        Definitions that are live, if any are, and that would be.
    at_ms
        The moment from which on it is judged.
    locales
        The project's locales; those of the contents where empty.

    """

    def __init__(
        self,
        before: PlanSource | None,
        after: PlanSource,
        *,
        at_ms: int,
        locales: Sequence[str] = (),
    ) -> None:
        self.before = before
        self.after = after
        self.at_ms = at_ms
        self.catalog = after.catalog
        self.actions = tuple(a for a in after.catalog.actions if not a.is_no_action)
        self.placements: tuple[Placement, ...] = after.catalog.placements
        self.locales = tuple(locales) or self._written_locales()
        self.rows = {action.id: row for row, action in enumerate(self.actions)}
        self.words = Words(self.actions, self.placements)
        self._selections: dict[tuple[str, Selector], Selection] = {}
        self._worked_out: dict[Callable[[Subject], Any], Any] = {}

    def once(self, work: Callable[[Subject], T]) -> T:
        """Return what some work on this subject gives, worked out once for all checks."""
        if work not in self._worked_out:
            self._worked_out[work] = work(self)
        found: T = self._worked_out[work]
        return found

    @cached_property
    def policies(self) -> tuple[PolicyKind, ...]:
        """Policies about actions that hold now or will."""
        known = (policy for policy in self.after.policies if isinstance(policy, PolicyKind))
        return tuple(
            policy
            for policy in known
            if not policy.is_about_contents and not span_of(policy).over(self.at_ms)
        )

    @cached_property
    def schema(self) -> Schema:
        """Every symbol a condition about actions may read."""
        features = self.after.features
        candidates = features.candidate_schema(
            self.catalog.actions, self.placements, terms=self.catalog.taxonomy.terms()
        )
        return {**features.schema(), **candidates}

    @cached_property
    def contents(self) -> tuple[Content, ...]:
        """Contents that can be shown now or will be."""
        withheld = self.catalog.withheld
        return tuple(
            content
            for content in self.catalog.contents
            if content.id not in withheld and not span_of(content).over(self.at_ms)
        )

    @cached_property
    def shown(self) -> Mask:
        """Whether an action has content in a placement, ``(n_actions, n_placements)``."""
        columns = {place.id: column for column, place in enumerate(self.placements)}
        shown = np.zeros((len(self.actions), len(self.placements)), dtype=np.bool_)
        for content in self.contents:
            row = self.rows.get(content.action)
            for place in content.placements:
                if row is not None and place in columns:
                    shown[row, columns[place]] = True
        lasting = [not span_of(action).over(self.at_ms) for action in self.actions]
        return shown & np.array(lasting, dtype=np.bool_)[:, None]

    def concerned(self, policy: PolicyKind) -> Selection:
        """Return the pairs that a policy may do something to."""
        key = (policy.kind, policy.applies_to)
        if key not in self._selections:
            self._selections[key] = self.words.concerned(*key)
        return self._selections[key]

    def of_kind(self, *kinds: str) -> Iterator[PolicyKind]:
        """Iterate over the policies of some kinds, in the order they were given in."""
        return (policy for policy in self.policies if policy.kind in kinds)

    def guarded(self, *kinds: str) -> Mask:
        """Return which pairs a policy of some kinds concerns, ``(n_actions, n_placements)``."""
        found = np.zeros((len(self.actions), len(self.placements)), dtype=np.bool_)
        for policy in self.of_kind(*kinds):
            found |= self.concerned(policy).pairs
        return found

    def remaining(self, action: Action) -> Span:
        """Return the time that is left to an action."""
        starts_ms, ends_ms = span_of(action)
        return Span(max(self.at_ms, starts_ms or self.at_ms), ends_ms)

    def _written_locales(self) -> tuple[str, ...]:
        written = (content.locale for content in self.catalog.contents)
        return tuple(dict.fromkeys((self.catalog.default_locale, *written)))
