"""Taking a decision's shares of budgets, before it is reserved.

decide on what is known of the budgets ▸ take each share from the real one ▸ reserve and record ▸
settle or hold. If one share is refused, those taken are given back, and the decision is made again
knowing what the refusal told. The reservation carries a deadline, after which the store refuses
it, so that what a crash leaves open can be given back later without a doubt. Where a reply is lost
nothing is given back here: whether the decision was recorded is looked up later, by the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nba.decision.artifact import PlanSource
from nba.domain.decision import Decision
from nba.domain.ids import ActionId, ContentId, DecisionId, PlacementId, hash32
from nba.domain.validity import bounds_ms
from nba.errors import UnavailableError
from nba.ledger.budgets import FENCE_MS, Account, BudgetStore, Claim, grant_of
from nba.ledger.shared import SharedStore
from nba.policies.kinds import Budget, Fairness
from nba.policies.kinds.budget import LONGEST_HOLD

_AFTERWARDS_MS = round(LONGEST_HOLD.total_seconds() * 1_000) + 86_400_000
"""How long an account outlives its period: as long as anything may still come of its grants."""

Shared = Mapping[int, tuple[int, ...]]
"""State shared by all customers, by :func:`~nba.domain.ids.hash32` of a policy's id."""


@dataclass(frozen=True, slots=True)
class Share:
    """A claim, and the policy whose budget it is on."""

    policy: Budget
    claim: Claim


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a decision's shares.

    ``refused`` is what is known now of the budgets that had too little left; nothing is held then.
    ``deadline_ms`` is until when the decision may be recorded, by the store's clock; ``None`` is
    at any time, as nothing is held.
    """

    shares: tuple[Share, ...] = ()
    refused: Shared = field(default_factory=dict)
    deadline_ms: int | None = None


NOTHING_TAKEN = Taken()


def account_of(policy: Budget, at_ms: int) -> Account:
    """Return the account that a budget spends from at a moment."""
    period = policy.period_of(at_ms)
    return Account(policy.id, policy.added_up_by, period.start_s, period.end_s)


async def read_shared(
    source: PlanSource, budgets: BudgetStore, shared: SharedStore, at_ms: int
) -> dict[int, tuple[int, ...]]:
    """Read what a plan's policies look at that is the same for all customers."""
    known: dict[int, tuple[int, ...]] = {}
    accounts = [account_of(p, at_ms) for p in source.policies if isinstance(p, Budget)]
    if accounts:
        for account, used in zip(accounts, await budgets.used(accounts), strict=True):
            known[hash32(account.policy)] = account.start_s, used
    watched = [hash32(policy.id) for policy in source.policies if isinstance(policy, Fairness)]
    if watched:
        published = await shared.published()
        known.update((code, published.get(code, ())) for code in watched)
    return known


class Tariff:
    """What the choices of a plan's decisions take from its budgets."""

    def __init__(self, source: PlanSource) -> None:
        self.source = source
        self.budgets = tuple(p for p in source.policies if isinstance(p, Budget))
        self._bounds = {p.id: bounds_ms(p.starts, p.ends) for p in self.budgets}
        self._actions = {action.id: action for action in source.catalog.actions}
        self._placements = {place.id: place for place in source.catalog.placements}
        self._contents = {content.id: content for content in source.catalog.contents}
        self._units: dict[tuple[str, str, str | None], tuple[tuple[Budget, int], ...]] = {}

    def shares(
        self,
        decision_id: DecisionId,
        choice: int,
        at_ms: int,
        *,
        action: str,
        placement: str,
        content: str | None,
    ) -> Iterator[Share]:
        """Iterate over the shares that a choice takes at a moment."""
        pair = (action, placement, content)
        if pair not in self._units:
            self._units[pair] = tuple(self._taken(*pair))
        for policy, units in self._units[pair]:
            starts, ends = self._bounds[policy.id]
            if (starts is None or at_ms >= starts) and (ends is None or at_ms < ends):
                account = account_of(policy, at_ms)
                ttl_ms = 0
                if account.end_s is not None:
                    ttl_ms = account.end_s * 1_000 - at_ms + _AFTERWARDS_MS
                claim = Claim(
                    account=account,
                    grant=grant_of(decision_id, choice),
                    units=units,
                    allowed=policy.allowed_units(at_ms),
                    limit=policy.limit_units,
                    ttl_ms=ttl_ms,
                )
                yield Share(policy, claim)

    def _taken(
        self, action: str, placement: str, content: str | None
    ) -> Iterator[tuple[Budget, int]]:
        chosen = self._actions.get(ActionId(action))
        place = self._placements.get(PlacementId(placement))
        if chosen is None or place is None:
            return
        shown = None if content is None else self._contents.get(ContentId(content))
        for policy in self.budgets:
            units = policy.takes(chosen, place, shown)
            if units:
                yield policy, units


class Spending:
    """Takes shares for decisions, and settles or gives them back.

    Parameters
    ----------
    store
        Where they are taken.
    told
        Called with what is known of a budget now, by the hash of its id, whenever it was asked.

    """

    def __init__(self, store: BudgetStore, told: Callable[[int, tuple[int, ...]], None]) -> None:
        self._store = store
        self._told = told
        self._tariff: Tariff | None = None
        self._unfinished: set[asyncio.Task[None]] = set()

    async def take(self, source: PlanSource, decision: Decision) -> Taken:
        """Take every share of a decision, or none.

        Raises :class:`~nba.errors.UnavailableError` where the store does not say; what it did
        is then found out by the worker.
        """
        if self._tariff is None or self._tariff.source is not source:
            self._tariff = Tariff(source)
        if not self._tariff.budgets:
            return NOTHING_TAKEN
        shares = tuple(_shares(self._tariff, decision))
        if not shares:
            return NOTHING_TAKEN
        replies = await asyncio.gather(*[self._store.acquire(share.claim) for share in shares])
        granted = tuple(
            share for share, reply in zip(shares, replies, strict=True) if reply.granted
        )
        refused: dict[int, tuple[int, ...]] = {}
        for share, reply in zip(shares, replies, strict=True):
            account, code = share.claim.account, hash32(share.policy.id)
            self._told(code, (account.start_s, reply.used))
            if not reply.granted:
                own = sum(g.claim.units for g in granted if g.claim.account == account)
                refused[code] = (account.start_s, reply.used - own)
        if refused:
            await self.release(granted)
            return Taken(refused=refused)
        return Taken(shares, deadline_ms=min(reply.at_ms for reply in replies) + FENCE_MS)

    async def release(self, shares: tuple[Share, ...]) -> None:
        """Give shares back whose decision was certainly not recorded."""
        claims = [share.claim for share in shares]
        await asyncio.gather(*[self._store.release(c.account, c.grant) for c in claims])

    def confirm(self, shares: tuple[Share, ...], at_ms: int) -> None:
        """Settle or hold the shares of a recorded decision, without waiting for it."""
        for share in shares:
            task = asyncio.ensure_future(_tried(confirm_share(self._store, share, at_ms)))
            self._unfinished.add(task)
            task.add_done_callback(self._unfinished.discard)

    async def finish(self) -> None:
        """Wait until everything confirmed is settled or held."""
        await asyncio.gather(*self._unfinished)


def _shares(tariff: Tariff, decision: Decision) -> Iterator[Share]:
    for position, choice in enumerate(decision.choices):
        yield from tariff.shares(
            decision.decision_id,
            position,
            decision.at_ms,
            action=choice.action,
            placement=choice.placement,
            content=choice.content,
        )


async def confirm_share(store: BudgetStore, share: Share, at_ms: int) -> None:
    """Settle or hold a share whose decision, made at ``at_ms``, is recorded."""
    policy, claim = share.policy, share.claim
    if policy.is_final or policy.hold is None:
        await store.settle(claim.account, claim.grant)
    else:
        until_ms = at_ms + round(policy.hold.total_seconds() * 1_000)
        await store.hold(claim.account, claim.grant, until_ms)


async def _tried(work: Coroutine[Any, Any, None]) -> None:
    # Where the store is away, the worker finds the grant open and does the same.
    with suppress(UnavailableError):
        await work
