"""The port of where aliases are kept: small steps, each atomic in one partition, each repeatable.

:mod:`nba.features.aliases` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nba.domain.alias import Forward
from nba.domain.ids import CustomerId

CLAIM_SECONDS = 60
"""How long a claim holds whose maker does not come back."""

MAX_ALIASES = 1_000
"""Former ids that may lead to one id directly."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was kept under a former id when it became one."""

    profile: bytes | None
    history: bytes | None


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """The customer a former id leads to, as read.

    ``absorbed`` says whether what was kept under the former id is in it, ``None`` where nobody
    intends that (any more).
    """

    profile: bytes | None
    history: bytes | None
    absorbed: bool | None


class Absorbed(StrEnum):
    """What became of an attempt to absorb what was kept under a former id."""

    DONE = "done"
    STALE = "stale"
    GONE = "gone"


class AliasStore(Protocol):
    """Where former ids are kept, beside the profiles and contact histories."""

    async def forward(self, customer_id: CustomerId) -> Forward | None:
        """Return where an id leads, ``None`` where it is nobody's former id."""
        ...

    async def claim(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> bool:
        """Announce an alias before it is made; ``False`` where another of the same id is."""
        ...

    async def claims(self, at_ms: int) -> Mapping[CustomerId, CustomerId]:
        """Return the aliases announced and not released, target by former id."""
        ...

    async def release(self, previous_id: CustomerId, target: CustomerId, at_ms: int) -> None:
        """Take an announcement back, where it is still this one."""
        ...

    async def height(self, customer_id: CustomerId) -> int:
        """Return how many former ids in a row lead to an id at most; 0 where none does."""
        ...

    async def intend(self, previous_id: CustomerId, target: CustomerId, height: int) -> bool:
        """Note at the target what is to be absorbed; ``False`` where it has too many former ids."""
        ...

    async def abandon(self, previous_id: CustomerId, target: CustomerId) -> None:
        """Take an intention back, where nothing was absorbed."""
        ...

    async def freeze(self, previous_id: CustomerId, forward: Forward) -> Forward | None:
        """Set profile and history aside and the mark in their place, which ends writes to them.

        Returns the mark that was there already, where one was; nothing is changed then.
        """
        ...

    async def frozen(self, previous_id: CustomerId) -> Frozen:
        """Return what was set aside and is not yet merged."""
        ...

    async def target(self, target: CustomerId, previous_id: CustomerId) -> AliasTarget:
        """Return the customer that is to absorb a former id."""
        ...

    async def absorb(
        self,
        previous_id: CustomerId,
        target: CustomerId,
        *,
        seen: AliasTarget,
        merged: Frozen,
        log_entries: Sequence[tuple[str, bytes]],
    ) -> Absorbed:
        """Write the target with a former id merged into it, exactly once.

        Nothing is written where the target is not as ``seen`` (stale), or where the intention was
        taken back (gone).
        """
        ...

    async def settle(self, previous_id: CustomerId, forward: Forward) -> None:
        """Say in the mark that the merge is done, and drop what was set aside."""
        ...

    async def aliases_of(self, customer_id: CustomerId) -> tuple[CustomerId, ...]:
        """Return the former ids that lead to an id directly."""
        ...

    async def erase(self, customer_id: CustomerId) -> None:
        """Forget an id's mark, what was set aside under it, and which former ids led to it."""
        ...
