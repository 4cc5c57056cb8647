"""A decision: what was asked, and the answer given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nba.domain.customer import AttributeValue, Scalar
from nba.domain.ids import ActionId, ContentId, CustomerId, DecisionId, PlacementId, PlanVersion


class Mode(StrEnum):
    """Whether a decision is recorded and counts (live) or leaves no trace (dry run).

    In shadow another system decides: what it took is recorded and counts, beside what would have
    been chosen.
    """

    LIVE = "live"
    DRY_RUN = "dry_run"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """One slot to fill, with at most ``count`` ranked choices."""

    id: PlacementId
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAction:
    """What another system took in a placement.

    ``probability`` is the chance with which it drew that action; ``None`` where it does not say.
    """

    placement: PlacementId
    action: ActionId
    content: ContentId | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRequest:
    """What a journey engine asks; ``taken`` is for shadow, one for each placement."""

    customer_id: CustomerId
    placements: tuple[PlacementRequest, ...]
    context: Mapping[str, Scalar] = field(default_factory=dict)
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    locale: str | None = None
    request_id: str | None = None
    mode: Mode = Mode.LIVE
    taken: tuple[TakenAction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One ranked answer for a placement.

    ``propensity`` is P(desired outcome | customer, action, context); ``probability`` is the chance
    with which this choice was drawn at its rank, given the ranks above it, and
    ``content_probability`` the chance with which its content was, given the action; ``None`` where
    it has none. ``value`` and ``score`` are in the project's currency.
    """

    placement: PlacementId
    rank: int
    action: ActionId
    content: ContentId | None
    slots: Mapping[str, str]
    propensity: float
    value: float
    score: float
    probability: float
    content_probability: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenChoice:
    """What another system took, as this one sees it; in the order of the placements asked for.

    ``propensity``, ``value`` and ``score`` are this system's own, as in :class:`Choice`.
    ``shadow_action`` is the action it would have chosen, and ``agrees`` says whether that is the
    same. ``shadow_probability`` is the chance with which it would have chosen what was taken, and
    ``would_have_been_dropped`` has the reason code of everything that would not have let it.
    """

    taken: TakenAction
    propensity: float
    value: float
    score: float
    agrees: bool
    shadow_action: ActionId
    shadow_probability: float
    would_have_been_dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answer: ranked choices per placement, and what was unusual about it.

    In shadow ``choices`` are what would have been chosen, and ``taken`` what was done instead.

    ``not_before`` gives, for outbound placements where quiet hours alone held something back, the
    earliest time at which some of it may be sent, in ms since the epoch.
    """

    decision_id: DecisionId
    customer_id: CustomerId
    at_ms: int
    expires_at_ms: int
    plan_version: PlanVersion
    choices: tuple[Choice, ...]
    holdout: bool = False
    fallback: bool = False
    degraded: tuple[str, ...] = ()
    mode: Mode = Mode.LIVE
    not_before: Mapping[PlacementId, int] = field(default_factory=dict)
    taken: tuple[TakenChoice, ...] = ()
