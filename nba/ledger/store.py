"""The port of the ledger: decisions, outcomes and resolutions, each written exactly once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nba.domain.alias import Forward, read_forward
from nba.domain.history import Entry
from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.erasure import ErasureStore
from nba.ledger.positions import ordinal
from nba.ledger.records import OutcomeEntry, ResolutionEntry


class EntryType(StrEnum):
    """What a ledger entry holds; the letter is what the stream keeps."""

    DECISION = "d"
    OUTCOME = "o"
    RESOLUTION = "r"
    EVENT = "e"
    UPDATE = "u"
    ERASURE = "x"


class Reader(StrEnum):
    """Who reads the ledger; an entry is forgotten once all of them are past it."""

    LOG = "log"
    BANDIT = "bandit"


class Written(StrEnum):
    """What became of an entry handed in."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class CustomerState:
    """What one read brings: packed profile and contact history, and the answer to a repeat.

    ``forward`` is set where the id is a former one, which leads elsewhere; nothing else is there
    then but an answer given before.
    """

    profile: bytes | None
    history: bytes | None
    answered: DecisionId | None = None
    forward: Forward | None = None


def customer_state(
    profile: bytes | None, history: bytes | None, answered: DecisionId | None
) -> CustomerState:
    """Return what was read of a customer, where they go on if it is a former id."""
    forward = read_forward(profile)
    if forward is not None:
        return CustomerState(None, None, answered, forward)
    return CustomerState(profile, history, answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A decision to record, on condition that the customer is as it was read.

    ``history`` is the contact history with this decision's contacts, or ``None`` where it makes
    none; ``horizons`` gives for each choice that waits for an outcome (by its position) when its
    waiting ends, in milliseconds since the epoch. After ``deadline_ms``, by the store's own clock,
    it is refused: what was taken for it elsewhere may then be given back.
    """

    decision_id: DecisionId
    customer_id: CustomerId
    seen: CustomerState
    record: bytes
    history: bytes | None
    horizons: Mapping[int, int]
    request_id: str | None = None
    deadline_ms: int | None = None


class Reserved(StrEnum):
    """What became of a reservation."""

    RECORDED = "recorded"
    STALE = "stale"
    ANSWERED = "answered"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of a partition's stream; ``body`` is a decision or customer id, or packed."""

    partition: int
    position: str
    type: EntryType
    body: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """Entries of all partitions in one order: by position, and then by partition.

    Up to ``until`` they are all there are, and nothing can come between them any more; ``waiting``
    is how many were read beyond it, which a later reading returns. ``complete`` says whether
    ``until`` is now, or there is more in some partition than was looked at.
    """

    entries: list[LedgerEntry]
    until: str
    waiting: int
    complete: bool


def settle(entries: Iterable[LedgerEntry], now: Iterable[str], full: Collection[str]) -> Settled:
    """Return entries of some partitions as :class:`Settled`.

    ``now`` are the positions before which nothing can be added any more; ``full`` the last ones
    looked at where there may be more.
    """
    found = list(entries)
    until = min([*now, *full], key=ordinal)
    least = ordinal(until)
    ready = [entry for entry in found if ordinal(entry.position) <= least]
    ready.sort(key=lambda entry: (ordinal(entry.position), entry.partition))
    return Settled(ready, until, len(found) - len(ready), complete=not full)


class LedgerStore(Protocol):
    """Where decisions are reserved and recorded, and the ledger's entries are read in order."""

    partitions: int

    @property
    def erasures(self) -> ErasureStore:
        """What erasing a customer needs besides."""
        ...

    async def read(self, customer_id: CustomerId, request_id: str | None) -> CustomerState:
        """Read what deciding needs of one customer, in one round trip."""
        ...

    async def reserve(self, reservation: Reservation) -> Reserved:
        """Record a decision and its contacts atomically, or change nothing."""
        ...

    async def note(self, customer_id: CustomerId, entries: Sequence[Entry]) -> Forward | None:
        """Note outcomes and events in a customer's history, each once by what it is and its tag.

        An outcome whose contact is not there is left out: no policy looks that far back. Returns
        where the customer goes on if the id is a former one, and nothing was noted.
        """
        ...

    async def records(self, decision_ids: Sequence[DecisionId]) -> list[bytes | None]:
        """Return decision records, ``None`` where none is held."""
        ...

    async def report(self, outcomes: Sequence[OutcomeEntry]) -> list[Written]:
        """Write outcomes, each exactly once by its outcome id."""
        ...

    async def outcomes(self, decision_id: DecisionId) -> list[OutcomeEntry]:
        """Return the outcomes reported for a decision, early ones included."""
        ...

    async def resolve(self, resolution: ResolutionEntry) -> bool:
        """Write the one resolution of a choice; ``False`` where it had one.

        A correction is written once for its outcome, or for the goal it is about, beside it.
        """
        ...

    async def resolution(self, decision_id: DecisionId, choice: int) -> ResolutionEntry | None:
        """Return how a choice resolved, or ``None`` while it waits."""
        ...

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[DecisionId, int]]:
        """Return choices whose waiting ended before a time, longest first."""
        ...

    async def entries(self, positions: Mapping[int, str], limit: int) -> list[LedgerEntry]:
        """Return what follows a position in each partition, at most ``limit`` of each, in order."""
        ...

    async def backlog(self) -> int:
        """Return how many entries are kept, most of which nobody took to the log yet."""
        ...

    async def settled(self, positions: Mapping[int, str], kind: EntryType, limit: int) -> Settled:
        """Return entries of one type that follow a position in each partition, in one order.

        At most ``limit`` entries of each partition are looked at. Reading on gives the same order
        as reading all at once, whoever reads, as long as the store's clock does not go back.
        """
        ...

    async def advance(self, partition: int, reader: Reader, position: str) -> None:
        """Note how far in a partition a reader has come, for good; it never goes back.

        What lies before where every reader has come is forgotten.
        """
        ...

    async def claim(self, name: str, owner: str, for_ms: int) -> bool:
        """Take or renew a right for a while; ``False`` where it is another's. 0 gives it back."""
        ...

    async def erase(self, customer_id: CustomerId, decision_ids: Sequence[DecisionId]) -> None:
        """Forget a customer's contact history and requests, and everything about decisions.

        An ``ERASURE`` entry follows, for those who read the ledger to forget them too.
        """
        ...

    async def set_plan(self, pointer: bytes, *, expected: bytes | None) -> bool:
        """Point every replica at a plan and bandit snapshot, if what it replaces is as expected.

        ``expected`` is the pointer that was read before, ``None`` where there was none. Returns
        ``False``, and changes nothing, where another was set meanwhile.
        """
        ...

    async def plan(self) -> bytes | None:
        """Return the pointer to the live plan."""
        ...
