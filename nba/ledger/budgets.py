"""The port of budgets: one number for all customers, from which decisions take shares.

A share is taken as a grant, named by the choice it is for, before the decision is reserved. Until
the decision is known to be recorded the grant is *open*; then it ends for good, or is *held* until
an outcome or a time ends it. What was taken stays taken until something says that it may be given
back, so a process may be killed anywhere: at worst a share lies unused for a while.

    acquire ─▶ open ─▶ settled
                │  └──▶ held ─▶ settled
                └────────┴────▶ released (given back)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nba.domain.ids import DecisionId

FENCE_MS = 10_000
"""How long after a share was taken its decision may still be recorded, by the store's clock."""

ABANDONED_MS = 60_000
"""How old an open grant is given back whose decision is not recorded.

Well beyond :data:`FENCE_MS`, as partitions may lie on servers whose clocks differ.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """What a budget spends in one period; ``end_s`` is ``None`` where the period never ends.

    ``terms`` are its unit and period: where those change, it is another account.
    """

    policy: str
    terms: str
    start_s: int
    end_s: int | None = None

    @property
    def name(self) -> str:
        """The name under which it is kept; where it ends is no part of it."""
        return f"{self.start_s}:{self.terms}:{self.policy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A share that a choice would take.

    ``units`` are taken if no more than ``limit`` are used then, nor more than ``allowed``, which
    is as many as should be used by now. The account is forgotten after ``ttl_ms``; 0 is never.
    """

    account: Account
    grant: str
    units: int
    allowed: int
    limit: int
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """Whether a share was granted, what is used now, and the store's time, in ms."""

    granted: bool
    used: int
    at_ms: int


class BudgetStore(Protocol):
    """Where shares of budgets are taken; every method may be repeated without harm."""

    async def used(self, accounts: Sequence[Account]) -> list[int]:
        """Return how much is used of each account."""
        ...

    async def acquire(self, claim: Claim) -> Acquired:
        """Take a share, if there is enough left."""
        ...

    async def hold(self, account: Account, grant: str, until_ms: int) -> bool:
        """Keep a grant whose decision is recorded; ``False`` where it has ended."""
        ...

    async def settle(self, account: Account, grant: str) -> bool:
        """End a grant for good; ``False`` where it has ended."""
        ...

    async def release(self, account: Account, grant: str) -> bool:
        """End a grant and give back what it took; ``False`` where it has ended."""
        ...

    async def accounts(self) -> list[Account]:
        """Return the accounts of which shares were ever taken and that are not forgotten."""
        ...

    async def abandoned(self, account: Account, age_ms: int, limit: int) -> list[str]:
        """Return open grants of at least an age, by the store's clock, oldest first."""
        ...

    async def due(self, account: Account, before_ms: int, limit: int) -> list[str]:
        """Return grants held until before a time, the longest due first."""
        ...

    async def forget(self, account: Account) -> None:
        """Look no more after an account whose period is over and whose grants have ended."""
        ...


def grant_of(decision_id: DecisionId, choice: int) -> str:
    """Return the name of the grants of a choice.

    >>> grant_of(DecisionId("00518bcfe5680000000000ff"), 1)
    '00518bcfe5680000000000ff:1'
    """
    return f"{decision_id}:{choice}"


def choice_of(grant: str) -> tuple[DecisionId, int]:
    """Return which choice a grant is for.

    >>> choice_of("00518bcfe5680000000000ff:1")
    ('00518bcfe5680000000000ff', 1)
    """
    decision_id, _, choice = grant.rpartition(":")
    return DecisionId(decision_id), int(choice)
