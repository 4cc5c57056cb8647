"""Actions, content and placements: what may be said, in which words, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from nba.domain.ids import NO_ACTION, ActionId, ContentId, PlacementId, Term
from nba.domain.taxonomy import Taxonomy, is_within


class MessageClass(StrEnum):
    """What kind of message an action is; decides which policy kinds apply to it."""

    PROMOTIONAL = "promotional"
    TRANSACTIONAL = "transactional"
    MANDATORY = "mandatory"


class Direction(StrEnum):
    """Who starts the conversation: we (outbound) or the customer (inbound)."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Autonomy(StrEnum):
    """How far a placement is driven by the team or by the learned scores."""

    RULES = "rules"
    ASSISTED = "assisted"
    AUTONOMOUS = "autonomous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something we may do for a customer.

    ``value`` is what its desired outcome is worth and ``cost`` what one delivery costs, both in
    the project's currency. ``base_rate`` is the prior propensity used until a model knows better.
    It may be said from ``starts`` until ``ends`` (:mod:`nba.domain.validity`).
    ``horizon`` is how long it waits for its outcome; then it resolves to ``reward_at_horizon``.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: ActionId
    name: str
    terms: tuple[Term, ...] = ()
    message_class: MessageClass = MessageClass.PROMOTIONAL
    purpose: str = "marketing"
    value: float = 0.0
    cost: float = 0.0
    base_rate: float = 0.02
    desired_outcome: str = "convert"
    negative_outcomes: tuple[str, ...] = ("reject",)
    horizon: timedelta = timedelta(days=7)
    reward_at_horizon: float = 0.0
    priority: float = 1.0
    launched_on: str = ""
    starts: str = ""
    ends: str = ""
    description: str = ""

    @property
    def is_no_action(self) -> bool:
        """Whether this is the action of saying nothing."""
        return self.id == NO_ACTION

    def has_term(self, ancestor: str) -> bool:
        """Whether any of its terms is ``ancestor`` or lies below it."""
        return any(is_within(term, ancestor) for term in self.terms)

    def term_in(self, dimension: str, *, depth: int) -> str | None:
        """Return its term in a dimension cut to ``depth`` levels, or ``None``."""
        for term in self.terms:
            name, _, path = term.partition(":")
            if name == dimension:
                return "/".join(path.split("/")[:depth])
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a placement shows for an action in a locale; a ``group`` ties it over channels.

    It may be shown from ``starts`` until ``ends`` (:mod:`nba.domain.validity`).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: ContentId
    action: ActionId
    group: str
    placements: tuple[PlacementId, ...]
    locale: str
    slots: Mapping[str, str] = field(default_factory=dict)
    starts: str = ""
    ends: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A slot in a channel; ``slots`` are the content slots that every content in it must fill."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: PlacementId
    channel: str
    direction: Direction
    autonomy: Autonomy = Autonomy.AUTONOMOUS
    max_count: int = 1
    slots: tuple[str, ...] = ()
    context_weight: float = 1.0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that may be said: actions, contents, placements, and the words they share."""

    currency: str
    default_locale: str
    taxonomy: Taxonomy
    actions: tuple[Action, ...]
    contents: tuple[Content, ...]
    placements: tuple[Placement, ...]
