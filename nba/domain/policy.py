"""What every policy has in common: identity, what it applies to, what missing data means."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from nba.domain.catalog import Action, Content, Placement
from nba.domain.ids import PolicyId, Term


class Missing(StrEnum):
    """What a policy answers where the data it needs is missing."""

    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which (action, placement) pairs something applies to.

    Every key given must match; within a key any one value suffices; ``except_`` keys remove pairs
    again. With no key it selects everything but ``no_action``, which no selector ever selects.
    With ``contents`` or ``groups`` it selects among the contents of an action.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    actions: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    message_classes: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    except_actions: tuple[str, ...] = ()
    except_terms: tuple[str, ...] = ()

    @property
    def is_about_contents(self) -> bool:
        """Whether it selects contents rather than whole actions."""
        return bool(self.contents or self.groups)

    def matches_content(self, content: Content) -> bool:
        """Say whether a content of a selected pair is selected."""
        return (not self.contents or content.id in self.contents) and (
            not self.groups or content.group in self.groups
        )

    def matches(self, action: Action, placement: Placement) -> bool:
        """Say whether the pair is selected."""
        if action.is_no_action or action.id in self.except_actions:
            return False
        if any(action.has_term(term) for term in self.except_terms):
            return False
        return (
            (not self.actions or action.id in self.actions)
            and (not self.terms or any(action.has_term(term) for term in self.terms))
            and (not self.channels or placement.channel in self.channels)
            and (not self.placements or placement.id in self.placements)
            and (not self.directions or placement.direction in self.directions)
            and (not self.message_classes or action.message_class in self.message_classes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Base of all policy kinds; each kind is one file in ``nba.policies.kinds``.

    ``terms`` say what it belongs to (a campaign, a journey), not what it selects. It holds from
    ``starts`` until ``ends`` (:mod:`nba.domain.validity`).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: PolicyId
    description: str
    owner: str = ""
    starts: str = ""
    ends: str = ""
    terms: tuple[Term, ...] = ()
    applies_to: Selector = field(default_factory=Selector)
