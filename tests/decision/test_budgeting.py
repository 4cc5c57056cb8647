"""Budgets while deciding: taken before an answer is recorded, never more than there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shop import NOW_MS, Shop, ask, write_project

from nba.decision.budgeting import Shared, Spending, Tariff, account_of
from nba.decision.recording import read_record
from nba.decision.service import DecisionService
from nba.domain.decision import Mode
from nba.domain.ids import DecisionId, hash32
from nba.domain.outcome import Outcome
from nba.errors import OverloadedError, UnavailableError
from nba.ledger.budgets import ABANDONED_MS, FENCE_MS, Account, Acquired, BudgetStore, Claim
from nba.ledger.budgets_memory import MemoryBudgets
from nba.ledger.positions import START
from nba.ledger.store import LedgerStore, Reservation, Reserved
from nba.policies.kinds import Budget
from nba.worker.budgets import GRACE_MS, BudgetKeeper
from nba.worker.records import Records
from nba.worker.runner import Worker

CARDS = """  - id: cards
    kind: budget
    description: A few cards.
    applies_to: {actions: [card]}
    limit: 3
"""
HELD = CARDS.replace(
    "limit: 3", "limit: 3\n    counting: click\n    release: [bounce]\n    hold: PT1H"
)
PUSH = "  - id: push_credit"


class Counter:
    """A shop whose decisions take from budgets in memory; ``known`` is what the replica knows."""

    def __init__(self, shop: Shop, store: BudgetStore | None = None) -> None:
        self.shop = shop
        self.budgets = MemoryBudgets(shop.clock)
        self.store: BudgetStore = store or self.budgets
        self.known: dict[int, tuple[int, ...]] = {}
        self.spending = Spending(self.store, self.note)
        self.keeper = BudgetKeeper(
            self.budgets, Records(shop.ledger, shop.repository), clock=shop.clock
        )

    def note(self, code: int, state: tuple[int, ...]) -> None:
        """Take in what the store told."""
        self.known[code] = state

    def shared(self) -> Shared:
        """Return what is known; of what was never asked, that nothing is used."""
        return {hash32(policy.id): (0, 0) for policy in self.policies} | self.known

    @property
    def policies(self) -> list[Budget]:
        """The budgets of the live plan."""
        return [policy for policy in self.shop.plan.source.policies if isinstance(policy, Budget)]

    def service(
        self, ledger: LedgerStore | None = None, shared: Callable[[], Shared] | None = None
    ) -> DecisionService:
        """Return a replica of its own."""
        return DecisionService(
            lambda: self.shop.plan,
            ledger or self.shop.ledger,
            clock=self.shop.clock,
            random_bits=self.shop.random_bits,
            shared=shared or self.shared,
            spending=self.spending,
        )

    async def decide(
        self, customer_id: str, *, service: DecisionService | None = None, **more: Any
    ) -> dict[str, Any]:
        """Ask for the card alone, and wait until what was taken is settled or held."""
        request = ask(customer_id, "web.rules", actions=("card",), **more)
        answer: dict[str, Any] = msgspec.json.decode(
            await (service or self.service()).decide(request)
        )
        await self.spending.finish()
        return answer

    def used(self) -> int:
        """Return what is used of the one budget."""
        account = account_of(self.policies[0], self.shop.clock())
        return asyncio.run(self.budgets.used([account]))[0]


def chosen(answer: dict[str, Any]) -> list[str]:
    return [choice["action"] for choice in answer["choices"]]


async def adults(shop: Shop, *names: str) -> None:
    for name in names:
        await shop.put(customer_id=name, age=30)


@pytest.fixture
def counter(make_shop: Callable[..., Shop]) -> Callable[[str], Counter]:
    def make(policy: str = CARDS) -> Counter:
        return Counter(make_shop(policies=(PUSH, policy + PUSH)))

    return make


def names_of(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


def test_a_budget_ends_when_it_is_spent_and_says_so(counter):
    made = counter()

    async def main() -> list[list[str]]:
        await adults(made.shop, *names_of(6))
        return [chosen(await made.decide(name)) for name in names_of(6)]

    answers = asyncio.run(main())
    assert answers.count(["card"]) == 3
    assert answers[-1] == ["no_action"]
    assert made.used() == 3


def test_a_replica_that_knows_too_little_decides_again_with_what_the_store_said(counter):
    made = counter()

    async def main() -> tuple[list[Any], list[bytes | None]]:
        await adults(made.shop, *names_of(8))
        stale = made.service(shared=lambda: {hash32("cards"): (0, 0)})
        answers = [await made.decide(name, service=stale) for name in names_of(8)]
        ids = [DecisionId(answer["decision_id"]) for answer in answers]
        return answers, await made.shop.ledger.records(ids)

    answers, records = asyncio.run(main())
    assert [chosen(answer) for answer in answers].count(["card"]) == 3
    assert made.used() == 3
    refused = read_record(records[-1])  # type: ignore[arg-type]
    assert refused.shared == {hash32("cards"): (0, 3)}
    assert read_record(records[0]).shared == {hash32("cards"): (0, 0)}  # type: ignore[arg-type]


def test_many_replicas_at_once_spend_no_more_than_there_is(counter):
    made = counter()

    async def main() -> list[list[str]]:
        await adults(made.shop, *names_of(40))
        services = [made.service(shared=lambda: {hash32("cards"): (0, 0)}) for _ in range(4)]
        answers = await asyncio.gather(
            *[made.decide(n, service=services[i % 4]) for i, n in enumerate(names_of(40))]
        )
        return [chosen(answer) for answer in answers]

    assert asyncio.run(main()).count(["card"]) == 3
    assert made.used() == 3


def test_what_nothing_is_known_of_is_closed(counter):
    made = counter()

    async def main() -> list[str]:
        await adults(made.shop, "anna")
        return chosen(await made.decide("anna", service=made.service(shared=dict)))

    assert asyncio.run(main()) == ["no_action"]
    assert made.used() == 0


def test_a_dry_run_takes_nothing(counter):
    made = counter()

    async def main() -> list[str]:
        await adults(made.shop, "anna")
        return chosen(await made.decide("anna", mode=Mode.DRY_RUN))

    assert asyncio.run(main()) == ["card"]
    assert made.used() == 0


def test_a_repeated_request_takes_once(counter):
    made = counter()

    async def main() -> None:
        await adults(made.shop, "anna")
        for _ in range(5):
            assert chosen(await made.decide("anna", request_id="r")) == ["card"]

    asyncio.run(main())
    assert made.used() == 1


def test_an_answer_of_many_choices_takes_for_each(counter):
    made = counter(CARDS.replace("actions: [card]", "terms: [product:fashion]"))

    async def main() -> list[int]:
        counts = []
        for name in names_of(3):
            request = ask(name, ("web.rules", 2), actions=("coat", "shirt"))
            answer = msgspec.json.decode(await made.service().decide(request))
            counts.append(len({"coat", "shirt"}.intersection(chosen(answer))))
        await made.spending.finish()
        return counts

    assert asyncio.run(main()) == [2, 1, 0]
    assert made.used() == 3


class Stale:
    """A ledger on which the first reservations come too late for their customer."""

    def __init__(self, ledger: LedgerStore, *replies: Reserved | Exception) -> None:
        self._ledger = ledger
        self._replies = list(replies)

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def reserve(self, reservation: Reservation) -> Reserved:
        """Answer as told before doing anything."""
        if not self._replies:
            return await self._ledger.reserve(reservation)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            await self._ledger.reserve(reservation)
            raise reply
        return reply


@pytest.mark.parametrize("reply", [Reserved.STALE, Reserved.LATE])
def test_what_was_not_recorded_is_given_back(counter, reply):
    made = counter()

    async def main() -> None:
        await adults(made.shop, "anna")
        service = made.service(Stale(made.shop.ledger, reply, reply))
        assert chosen(await made.decide("anna", service=service)) == ["card"]

    asyncio.run(main())
    assert made.used() == 1


def test_a_reply_that_was_lost_gives_nothing_back_until_it_is_looked_up(counter):
    made = counter()

    async def main() -> None:
        await adults(made.shop, "anna")
        service = made.service(Stale(made.shop.ledger, UnavailableError("late")))
        with pytest.raises(UnavailableError):
            await made.decide("anna", service=service)

    asyncio.run(main())
    assert made.used() == 1
    made.shop.clock.advance(seconds=ABANDONED_MS / 1_000)
    assert asyncio.run(made.keeper.sweep()) == 1  # it is recorded, so it is settled
    assert asyncio.run(made.keeper.sweep()) == 0
    assert made.used() == 1


def test_a_decision_that_comes_after_the_fence_is_not_recorded(counter):
    made = counter()

    class Slow(Stale):
        async def reserve(self, reservation: Reservation) -> Reserved:
            if self._replies:
                made.shop.clock.advance(seconds=(FENCE_MS + 1) / 1_000)
                self._replies.clear()
            return await self._ledger.reserve(reservation)

    async def main() -> None:
        await adults(made.shop, "anna")
        service = made.service(Slow(made.shop.ledger, Reserved.LATE))
        answer = await made.decide("anna", service=service)
        assert chosen(answer) == ["card"]
        assert answer["at"].endswith("15:06:50.001Z")  # decided again, after

    asyncio.run(main())
    assert made.used() == 1


class Greedy(MemoryBudgets):
    """A store in which something else takes every share first."""

    async def acquire(self, _: Claim) -> Acquired:
        """Refuse, and say that nothing is used."""
        return Acquired(granted=False, used=0, at_ms=0)


def test_a_budget_that_never_stands_still_is_an_overload(counter):
    made = counter()
    made.spending = Spending(Greedy(made.shop.clock), made.note)

    async def main() -> None:
        await adults(made.shop, "anna")
        with pytest.raises(OverloadedError, match="budgets changed"):
            await made.decide("anna")

    asyncio.run(main())


def test_shares_are_of_budgets_that_hold(counter):
    made = counter(CARDS + "    starts: 2025-06-10\n    ends: 2025-06-20\n")
    tariff = Tariff(made.shop.plan.source)

    def shares(at_ms: int, action: str = "card") -> list[str]:
        found = tariff.shares(
            DecisionId("00518bcfe5680000000000ff"),
            1,
            at_ms,
            action=action,
            placement="web.rules",
            content=None,
        )
        return [share.claim.grant for share in found]

    day = 86_400_000
    assert shares(NOW_MS) == ["00518bcfe5680000000000ff:1"]
    assert shares(NOW_MS, "coat") == shares(NOW_MS, "unknown") == []
    assert shares(NOW_MS - 6 * day) == shares(NOW_MS + 5 * day) == []


def outcome(decision_id: str, kind: str, at_ms: int, name: str = "") -> Outcome:
    return Outcome(
        outcome_id=name or f"{decision_id}{kind}",  # type: ignore[arg-type]
        decision_id=DecisionId(decision_id),
        kind=kind,
        at_ms=at_ms,
        received_at_ms=at_ms,
    )


async def work(made: Counter) -> None:
    """Let the worker read the ledger from the start, as after a restart, twice."""
    for _ in range(2):
        worker = Worker(
            made.shop.ledger,
            made.shop.log,
            made.shop.control,
            made.shop.repository,
            clock=made.shop.clock,
            watchers=(made.keeper,),
        )
        while await worker.step():
            pass
        await made.keeper.sweep()


@pytest.mark.parametrize(
    ("reported", "after_s", "used"),
    [
        ([], 0, 1),
        ([], 3_600 + GRACE_MS / 1_000, 1),  # the grace is not over yet
        ([], 3_601 + GRACE_MS / 1_000, 0),
        (["click"], 7_200, 1),
        (["bounce"], 0, 0),
        (["bounce", "click"], 7_200, 0),
        (["click", "bounce"], 7_200, 1),
        (["impression"], 7_200, 0),
    ],
)
def test_a_held_share_ends_by_its_first_outcome_or_with_its_hold(counter, reported, after_s, used):
    made = counter(HELD)

    async def main() -> None:
        await adults(made.shop, "anna")
        answer = await made.decide("anna")
        for kind in reported:
            made.shop.clock.advance(seconds=1)
            news = outcome(answer["decision_id"], kind, made.shop.clock())
            await made.shop.outcomes.report([news])
            await work(made)
        made.shop.clock.advance(seconds=after_s - len(reported))
        await work(made)

    asyncio.run(main())
    assert made.used() == used


def test_an_outcome_after_the_hold_changes_nothing(counter):
    made = counter(HELD)

    async def main() -> None:
        await adults(made.shop, "anna")
        answer = await made.decide("anna")
        made.shop.clock.advance(seconds=3_601)
        await made.shop.outcomes.report([outcome(answer["decision_id"], "click", NOW_MS + 1)])
        late = outcome(answer["decision_id"], "click", made.shop.clock(), "late")
        await made.shop.outcomes.report([late])
        await work(made)

    asyncio.run(main())
    assert made.used() == 1  # the first was in time, however late it was written
    assert asyncio.run(made.budgets.due(account_of(made.policies[0], 0), 1 << 52, 9)) == []


def test_what_was_erased_while_held_stays_spent(counter):
    made = counter(HELD)

    async def main() -> None:
        await adults(made.shop, "anna")
        answer = await made.decide("anna")
        await made.shop.ledger.erase("anna", [DecisionId(answer["decision_id"])])  # type: ignore[arg-type]
        made.shop.clock.advance(seconds=4_000)
        assert await made.keeper.sweep() == 1

    asyncio.run(main())
    assert made.used() == 1


def test_an_account_is_looked_after_until_its_period_and_its_grants_have_ended(counter):
    made = counter(HELD.replace("limit: 3", "limit: 3\n    period: 6h"))

    async def main() -> list[Account]:
        await adults(made.shop, "anna")
        await made.decide("anna")
        made.shop.clock.advance(seconds=6 * 3_600)
        assert await made.keeper.sweep() == 1
        assert len(await made.budgets.accounts()) == 1
        await made.keeper.sweep()
        return await made.budgets.accounts()

    assert asyncio.run(main()) == []


class Crash(Exception):  # noqa: N818 - it is no error
    """A process was killed."""


class Crashing:
    """A store behind a connection that may be cut before or after any command."""

    def __init__(self, store: Any, chance: Iterator[int]) -> None:
        self._store = store
        self._chance = chance

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("acquire", "release", "settle", "hold", "reserve"):
            return method

        async def cut(*arguments: Any) -> Any:
            what = next(self._chance)
            if what == 1:
                raise UnavailableError("cut before")
            if what == 2:
                raise Crash
            reply = await method(*arguments)
            if what == 3:
                raise UnavailableError("cut after")
            if what == 4:
                raise Crash
            return reply

        return cut


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # a smaller seed is no smaller case
)
@given(st.integers(0, 2**32), st.sampled_from([CARDS, HELD]))
def test_cut_anywhere_no_budget_is_overspent_and_nothing_is_lost(tmp_path_factory, seed, policy):
    """After every step ``used <= limit``; after sweeping it is what the records add up to."""
    made = _counter_for(tmp_path_factory, policy)
    names = [f"{next(_RUNS)}-{number}" for number in range(12)]
    rng = random.Random(seed)
    chance = iter(lambda: rng.choice([0] * 12 + [1, 2, 3, 4]), None)
    made.spending = Spending(Crashing(made.budgets, chance), made.note)  # type: ignore[arg-type]
    service = made.service(Crashing(made.shop.ledger, chance))  # type: ignore[arg-type]

    async def attempt(name: str) -> None:
        with suppress(UnavailableError, OverloadedError, Crash):
            await made.decide(name, service=service)

    async def main() -> None:
        await adults(made.shop, *names)
        for name in names:
            await attempt(name)
            assert (await made.budgets.used([account]))[0] <= 3
            if rng.random() < 0.3:
                made.shop.clock.advance(seconds=rng.choice([1, 30, 61, 1_000]))
                await made.keeper.sweep()
        made.shop.clock.advance(seconds=ABANDONED_MS / 1_000)
        await made.keeper.sweep()
        if policy is HELD:
            made.shop.clock.advance(seconds=7_200)
            await made.keeper.sweep()

    account = account_of(made.policies[0], made.shop.clock())
    asyncio.run(main())
    entries = asyncio.run(made.shop.ledger.entries(dict.fromkeys(range(4), START), 10_000))
    ids = [DecisionId(entry.body.decode()) for entry in entries if entry.type == "d"]
    records = [read_record(r) for r in asyncio.run(made.shop.ledger.records(ids)) if r is not None]
    mine = [record for record in records if record.customer_id in names]
    cards = sum(chosen(msgspec.json.decode(record.answer)) == ["card"] for record in mine)
    assert made.used() == (cards if policy is CARDS else 0)
    assert asyncio.run(made.budgets.abandoned(account, 0, 100)) == []
    assert cards <= 3 or policy is HELD


_SHOPS: dict[str, Shop] = {}
_RUNS = count()


def _counter_for(tmp_path_factory: pytest.TempPathFactory, policy: str) -> Counter:
    """Return a counter whose budgets are untouched, in a shop that is there already."""
    if policy not in _SHOPS:
        root = tmp_path_factory.mktemp("budgets")
        _SHOPS[policy] = Shop(write_project(root, policies=(PUSH, policy + PUSH)))
    return Counter(_SHOPS[policy])
