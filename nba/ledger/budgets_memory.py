"""Budgets in memory: for tests and simulations; nothing survives its process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nba.domain.clock import Clock
from nba.ledger.budgets import Account, Acquired, Claim


@dataclass(slots=True)
class _Book:
    account: Account
    used: int = 0
    grants: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)


class MemoryBudgets:
    """A :class:`~nba.ledger.budgets.BudgetStore`; ``clock`` stands for the store's own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._books: dict[str, _Book] = {}
        self._forgotten: set[str] = set()

    async def used(self, accounts: Sequence[Account]) -> list[int]:
        """Return how much is used of each account."""
        return [self._book(account).used for account in accounts]

    async def acquire(self, claim: Claim) -> Acquired:
        """Take a share, if there is enough left."""
        book = self._books.setdefault(claim.account.name, _Book(claim.account))
        self._forgotten.discard(claim.account.name)
        now = self._clock()
        if claim.grant in book.grants:
            return Acquired(granted=True, used=book.used, at_ms=now)
        after = book.used + claim.units
        if after > claim.limit or (book.used > 0 and after > claim.allowed):
            return Acquired(granted=False, used=book.used, at_ms=now)
        book.used = after
        book.grants[claim.grant] = claim.units
        book.open[claim.grant] = now
        return Acquired(granted=True, used=after, at_ms=now)

    async def hold(self, account: Account, grant: str, until_ms: int) -> bool:
        """Keep a grant whose decision is recorded."""
        book = self._book(account)
        if grant not in book.grants:
            return False
        book.open.pop(grant, None)
        book.held[grant] = until_ms
        return True

    async def settle(self, account: Account, grant: str) -> bool:
        """End a grant for good."""
        return self._finished(account, grant) is not None

    async def release(self, account: Account, grant: str) -> bool:
        """End a grant and give back what it took."""
        units = self._finished(account, grant)
        self._book(account).used -= units or 0
        return units is not None

    async def accounts(self) -> list[Account]:
        """Return the accounts that are looked after."""
        return [b.account for name, b in self._books.items() if name not in self._forgotten]

    async def abandoned(self, account: Account, age_ms: int, limit: int) -> list[str]:
        """Return open grants of at least an age, oldest first."""
        before = self._clock() - age_ms
        return _first(self._book(account).open, before, limit)

    async def due(self, account: Account, before_ms: int, limit: int) -> list[str]:
        """Return grants held until before a time, the longest due first."""
        return _first(self._book(account).held, before_ms - 1, limit)

    async def forget(self, account: Account) -> None:
        """Look no more after an account."""
        self._forgotten.add(account.name)

    def _book(self, account: Account) -> _Book:
        return self._books.get(account.name) or _Book(account)

    def _finished(self, account: Account, grant: str) -> int | None:
        book = self._book(account)
        book.open.pop(grant, None)
        book.held.pop(grant, None)
        return book.grants.pop(grant, None)


def _first(times: dict[str, int], until: int, limit: int) -> list[str]:
    found = sorted((at, grant) for grant, at in times.items() if at <= until)
    return [grant for _, grant in found[:limit]]
