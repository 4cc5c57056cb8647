"""What every policy kind brings: its reason codes, its sentences, its bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from nba.domain.ids import PolicyId
from nba.domain.policy import Policy, Selector


@dataclass(frozen=True, slots=True)
class Cause:
    """One way in which a kind decides about a candidate: a reason code and what it means."""

    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A field of a policy that cannot be right whatever the catalog is."""

    field: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a policy decided as it did, for programs (``code``) and for people (``sentence``)."""

    code: str
    stage: str
    policy: PolicyId
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKind(Policy):
    """Base of the kinds in :mod:`nba.policies.kinds`."""

    kind: str
    causes: ClassVar[tuple[Cause, ...]]

    @property
    def window_seconds(self) -> int:
        """How far back it looks in the contact history."""
        return 0

    @property
    def is_about_contents(self) -> bool:
        """Whether it is evaluated on the contents of an action rather than on actions."""
        return self.applies_to.is_about_contents

    def selectors(self) -> Mapping[str, Selector]:
        """Return every selector it has, by field."""
        return {"applies_to": self.applies_to}

    def noted_outcomes(self) -> Iterable[str]:
        """Return the kinds of outcome it looks for in the contact history."""
        return ()

    def noted_events(self) -> Iterable[str]:
        """Return the names of events it looks for in the contact history."""
        return ()

    def problems(self) -> Iterator[Problem]:
        """Iterate over fields outside their bounds."""
        yield from ()

    def sentence(self, cause: int) -> str:
        """Say in a sentence what the policy found; ``cause`` indexes ``causes``."""
        return self.causes[cause].meaning

    def reason(self, cause: int) -> Reason:
        """Return the reason for a cause."""
        return Reason(self.causes[cause].code, self.kind, self.id, self.sentence(cause))
