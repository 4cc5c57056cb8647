"""Actions, content and placements: what may be said, in which words, and where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import blake2b
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


class SlotType(StrEnum):
    """What a slot holds; ``html`` allows a few tags that format, the others no markup at all."""

    TEXT = "text"
    HTML = "html"
    URL = "url"
    IMAGE = "image"
    NUMBER = "number"


class StaleContent(StrEnum):
    """What becomes of a content whose master has changed since it was last confirmed."""

    SHOW = "show"
    WITHHOLD = "withhold"


class ValueFrom(StrEnum):
    """Where an action's value comes from: what was declared, or amounts reported with outcomes."""

    DECLARED = "declared"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A kind of outcome that is worth something beside the desired one.

    ``value`` is in the project's currency, below 0 for what is to be avoided; ``base_rate`` is the
    chance of it that is believed until something is known.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    value: float
    base_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something we may do for a customer.

    ``value`` is what its desired outcome is worth and ``cost`` what one delivery costs, both in
    the project's currency. ``base_rate`` is the prior propensity used until a model knows better.
    ``goals`` are other kinds of outcome that are worth something. Where ``value_from`` is
    ``outcomes``, what a desired outcome brings is learned from the amounts reported, each cut at
    ``value_cap``, and ``value`` is what is believed before any came. It may be said from ``starts``
    until ``ends`` (:mod:`nba.domain.validity`).
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
    goals: Mapping[str, Goal] = field(default_factory=dict)
    value_from: ValueFrom = ValueFrom.DECLARED
    value_cap: float | None = None
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

    @property
    def outcomes(self) -> frozenset[str]:
        """Every kind of outcome that means something for it."""
        return frozenset({self.desired_outcome, *self.negative_outcomes, *self.goals})

    @property
    def base_worth(self) -> float:
        """What it is worth by base rates alone, its cost deducted, in currency."""
        of_goals = sum(goal.base_rate * goal.value for goal in self.goals.values())
        return self.base_rate * self.value + of_goals - self.cost

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

    def top_terms(self, dimensions: Iterable[str]) -> list[str]:
        """Return its top terms in those of the dimensions it has any in, each once, sorted."""
        cut = {name: self.term_in(name, depth=1) for name in dimensions}
        return sorted(f"{name}:{top}" for name, top in cut.items() if top is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a placement shows for an action in a locale.

    It is written out in ``slots``, or held elsewhere and named: ``external_id`` in ``source``, or a
    ``url``. A ``group`` ties the same message over channels and locales. Where one of a group is
    its ``master``, the others say in ``confirmed_against`` the fingerprint of the master they were
    last found to agree with. It may be shown from ``starts`` until ``ends``
    (:mod:`nba.domain.validity`). ``revision`` is the source's own word for its version.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: ContentId
    action: ActionId
    group: str
    placements: tuple[PlacementId, ...]
    locale: str
    slots: Mapping[str, str] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    master: bool = False
    confirmed_against: str = ""
    source: str = ""
    external_id: str = ""
    url: str = ""
    revision: str = ""
    starts: str = ""
    ends: str = ""
    version: int = 1

    @property
    def is_by_reference(self) -> bool:
        """Whether it is held elsewhere and only named here."""
        return not self.slots and bool(self.external_id or self.url)

    @property
    def shown(self) -> Mapping[str, str]:
        """What an answer gives of it: its slots, or where it is to be found."""
        if not self.is_by_reference:
            return self.slots
        named = {"source": self.source, "external_id": self.external_id, "url": self.url}
        return {name: text for name, text in named.items() if text}

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of a digest of what it says; another text is another one."""
        said = sorted(self.shown.items())
        if self.is_by_reference:
            said.append(("revision", self.revision))
        text = json.dumps(said, ensure_ascii=False)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one slot of a placement takes.

    ``max_length`` counts characters as they are shown, 0 for no bound. A ``url`` may have one of
    ``schemes``; an image is always ``https``.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    type: SlotType = SlotType.TEXT
    required: bool = True
    max_length: int = 0
    schemes: tuple[str, ...] = ("https",)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What makes actions one branch: the same term in a dimension, cut to ``depth`` levels."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    dimension: str
    depth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A slot in a channel.

    ``autonomy`` says how choices are made in it (:mod:`nba.decision.arbitration`); where it is
    ``assisted``, ``branch`` says within which actions scores decide.
    ``slots`` are what every content in it fills; ``references`` are the sources whose contents it
    can fetch by themselves, so that they need none.
    ``position_effects`` are how often each rank is looked at, relative to the first; ranks beyond
    the last have its effect, and without any all ranks are looked at alike.
    While it is in ``shadow`` another system decides in it: decisions are compared with what that
    one took, and none is given live.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: PlacementId
    channel: str
    direction: Direction
    autonomy: Autonomy = Autonomy.AUTONOMOUS
    branch: Branch | None = None
    max_count: int = 1
    shadow: bool = False
    slots: Mapping[str, Slot] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    context_weight: float = 1.0
    position_effects: tuple[float, ...] = ()
    description: str = ""

    def effect_at(self, rank: int) -> float:
        """Return how often a rank, counted from 1, is looked at, relative to the first."""
        effects = self.position_effects
        return effects[min(rank, len(effects)) - 1] if effects else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that may be said: actions, contents, placements, and the words they share."""

    currency: str
    default_locale: str
    taxonomy: Taxonomy
    actions: tuple[Action, ...]
    contents: tuple[Content, ...]
    placements: tuple[Placement, ...]
    stale_content: StaleContent = StaleContent.SHOW

    @property
    def stale(self) -> frozenset[ContentId]:
        """Contents not confirmed since the master of their group last changed."""
        masters = {item.group: item.fingerprint for item in self.contents if item.master}
        return frozenset(
            item.id
            for item in self.contents
            if not item.master
            and item.group in masters
            and item.confirmed_against != masters[item.group]
        )

    @property
    def withheld(self) -> frozenset[ContentId]:
        """Contents that are not offered until they are confirmed; none unless the project says."""
        return self.stale if self.stale_content is StaleContent.WITHHOLD else frozenset()
