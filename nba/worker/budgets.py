"""Ending the grants of budgets: by outcomes, by time, and what a crash left open.

The first outcome that counts or gives back, reported while the grant is held, ends it; without one
it ends with its hold: for good where being chosen was enough, else given back. An open grant ends
like any other if its decision is recorded. If it is not when it can no longer be, it is given back.
Everything here may be done twice: a grant ends once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from nba.decision.budgeting import Share, Tariff, confirm_share
from nba.decision.recording import is_shadow
from nba.domain.clock import MILLISECONDS_PER_SECOND, Clock
from nba.domain.ids import DecisionId
from nba.ledger.budgets import ABANDONED_MS, Account, BudgetStore, choice_of
from nba.ledger.records import DecisionRecord, OutcomeEntry
from nba.ledger.store import LedgerEntry
from nba.policies.kinds.budget import DECISION
from nba.worker.records import UNREADABLE, Held, Records, leave_out

GRACE_MS = 5_000
"""How long after its hold a grant still waits for what was reported but not written yet."""

_BATCH = 500
_FOR_EVER_MS = 1 << 52


class BudgetKeeper:
    """Looks after the grants of all budgets.

    Parameters
    ----------
    records
        Says which decisions are recorded, under which plan, and what was reported for them.
    clock
        Decides which holds are over.

    """

    def __init__(self, store: BudgetStore, records: Records, *, clock: Clock) -> None:
        self._store = store
        self._records = records
        self._clock = clock
        self._tariffs: dict[str, Tariff] = {}

    async def take(
        self, _: Sequence[LedgerEntry], outcomes: Sequence[OutcomeEntry], held: Held
    ) -> None:
        """End the grants that outcomes end; those of one choice in the order of the ledger."""
        groups: dict[tuple[str, int], list[OutcomeEntry]] = {}
        for outcome in outcomes:
            groups.setdefault((outcome.decision_id, outcome.choice), []).append(outcome)
        await asyncio.gather(
            *[
                self._join(reported, share, record)
                for (decision_id, choice), reported in groups.items()
                if (record := held.get(decision_id)) is not None
                for share in self._shares(record, choice)
            ]
        )

    async def sweep(self) -> int:
        """End what is due or was left open, a batch of each account; return how many."""
        accounts = await self._store.accounts()
        return sum(await asyncio.gather(*[self._sweep(account) for account in accounts]))

    async def _sweep(self, account: Account) -> int:
        now_ms = self._clock()
        left, due = await asyncio.gather(
            self._store.abandoned(account, ABANDONED_MS, _BATCH),
            self._store.due(account, now_ms - GRACE_MS, _BATCH),
        )
        if left or due:
            ids = list(dict.fromkeys(choice_of(grant)[0] for grant in (*left, *due)))
            held = await self._records.load(ids)
            await asyncio.gather(
                *[self._close_open(account, grant, held) for grant in left],
                *[self._close_due(account, grant, held) for grant in due],
            )
        elif account.end_s is not None and now_ms > account.end_s * MILLISECONDS_PER_SECOND:
            await self._forget(account)
        return len(left) + len(due)

    async def _close_open(self, account: Account, grant: str, held: Held) -> None:
        decision_id, choice = choice_of(grant)
        record = held.get(decision_id)
        if record is None:
            await self._store.release(account, grant)
            return
        for share in self._shares(record, choice):
            if share.claim.account.name == account.name:
                await confirm_share(self._store, share, record.at_ms)

    async def _close_due(self, account: Account, grant: str, held: Held) -> None:
        decision_id, choice = choice_of(grant)
        record = held.get(decision_id)
        # A record that was held and is gone was erased: what it spent stays spent.
        shares = [] if record is None else list(self._shares(record, choice))
        share = next((s for s in shares if s.claim.account.name == account.name), None)
        if record is None or share is None:
            await self._store.settle(account, grant)
            return
        reported = await self._records.reported([DecisionId(decision_id)])
        ordered = sorted(reported, key=lambda o: (o.received_at_ms, o.outcome_id))
        if await self._join([o for o in ordered if o.choice == choice], share, record):
            return
        if share.policy.counting == DECISION:
            await self._store.settle(account, grant)
        else:
            await self._store.release(account, grant)

    async def _forget(self, account: Account) -> None:
        if await self._store.abandoned(account, 0, 1):
            return
        if not await self._store.due(account, _FOR_EVER_MS, 1):
            await self._store.forget(account)

    async def _join(
        self, reported: Sequence[OutcomeEntry], share: Share, record: DecisionRecord
    ) -> bool:
        """End a grant by the first outcome that ends it; return whether there is one."""
        policy, claim = share.policy, share.claim
        if policy.is_final or policy.hold is None:
            return False
        until_ms = record.at_ms + round(policy.hold.total_seconds() * MILLISECONDS_PER_SECOND)
        for outcome in reported:
            if outcome.received_at_ms > until_ms:
                continue
            if outcome.kind == policy.counting:
                await self._store.settle(claim.account, claim.grant)
                return True
            if outcome.kind in policy.release:
                await self._store.release(claim.account, claim.grant)
                return True
        return False

    def _shares(self, record: DecisionRecord, choice: int) -> Iterator[Share]:
        """Iterate over the shares that a recorded choice took."""
        try:
            tariff = self._tariff(record)
        except UNREADABLE as error:
            leave_out(f"the budgets of decision {record.decision_id}", error)
            return
        if not tariff.budgets or is_shadow(record):
            return
        choices = msgspec.json.decode(record.answer)["choices"]
        if choice < len(choices):
            chosen = choices[choice]
            yield from tariff.shares(
                DecisionId(record.decision_id),
                choice,
                record.at_ms,
                action=chosen["action"],
                placement=chosen["placement"],
                content=chosen["content"],
            )

    def _tariff(self, record: DecisionRecord) -> Tariff:
        plan = self._records.plan_of(record)
        if plan.digest not in self._tariffs:
            self._tariffs[plan.digest] = Tariff(plan.source)
        return self._tariffs[plan.digest]
